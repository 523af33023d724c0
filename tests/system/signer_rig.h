/*
 * signer_rig - starts the real kms-signer as the supervisor would, and speaks to its socket as
 * a submitter would, good or bad.
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/rlp.h"
#include "common/wire.h"
#include "proto/counters.h"
#include "proto/exits.h"
#include "tests/unit/signer_world.h"

#define WAIT_MS 5000

enum { FD_CONFIG, FD_COUNTERS, FD_ALIVE, FD_KEY, FD_JOURNAL, FD_DOOR, FD_COUNT };
#define FD_NAMES "config:counters:alive:key:journal:signer.sock"

struct rig {
	char dir[64], path[108];
	struct settings *settings;
	const char *key;
	int journal, door, alive_read, alive_write, page_fd;
	struct counter_page *page;
	rlim_t file_limit;		/* 0: none */
	pid_t pid;
	int fd;				/* the submitter's end */
	uint8_t packet[IPC_PACKET_MAX];	/* last one received */
};

static struct rig rig;

static const char *rig_program(void)
{
	const char *p = getenv("KMS_SIGNER");

	return p ? p : "build/bin/kms-signer";
}

static void rig_listen(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(rig.path, sizeof(rig.path), "%s/signer.sock", rig.dir);
	memcpy(sa.sun_path, rig.path, sizeof(sa.sun_path));
	rig.door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(rig.door, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(rig.door, 16), 0);
}

static void rig_open(void)
{
	char path[128];
	int ends[2];

	snprintf(rig.dir, sizeof(rig.dir), "/tmp/signer-test-XXXXXX");
	cr_assert_not_null(mkdtemp(rig.dir));
	rig_listen();
	snprintf(path, sizeof(path), "%s/journal", rig.dir);
	rig.journal = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	rig.alive_read = ends[0];
	rig.alive_write = ends[1];
	rig.page_fd = memfd_create("counters", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(rig.page_fd, 4096), 0);
	rig.page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, rig.page_fd, 0);
	rig.settings = world_settings();
	rig.key = WORLD_KEY "\n";
	rig.fd = -1;
}

/* In the child: descriptors to 3 and on, whatever numbers they have now. */
static void rig_exec(const int fds[FD_COUNT])
{
	char pid[16], *env[4], name[3][64];
	char *argv[] = { (char *)(uintptr_t)"kms-signer", NULL };
	int high[FD_COUNT];

	for (int i = 0; i < FD_COUNT; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 64);
	for (int i = 0; i < FD_COUNT; i++)
		if (high[i] < 0 || dup2(high[i], 3 + i) < 0)
			_exit(120);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	snprintf(name[0], sizeof(name[0]), "LISTEN_PID=%s", pid);
	snprintf(name[1], sizeof(name[1]), "LISTEN_FDS=%d", FD_COUNT);
	snprintf(name[2], sizeof(name[2]), "LISTEN_FDNAMES=%s", FD_NAMES);
	for (int i = 0; i < 3; i++)
		env[i] = name[i];
	env[3] = NULL;
	close_range(3 + FD_COUNT, ~0u, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rig.file_limit) {
		struct rlimit r = { rig.file_limit, rig.file_limit };

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &r);
	}
	execve(rig_program(), argv, env);
	_exit(121);
}

static void rig_start(void)
{
	char path[128];
	int key = memfd_create("key", MFD_CLOEXEC);
	int fds[FD_COUNT] = {
		[FD_CONFIG] = settings_to_fd(rig.settings, "config"), [FD_COUNTERS] = rig.page_fd,
		[FD_ALIVE] = rig.alive_read, [FD_KEY] = key, [FD_JOURNAL] = rig.journal,
		[FD_DOOR] = rig.door,
	};

	cr_assert_eq(write(key, rig.key, strlen(rig.key)), (ssize_t)strlen(rig.key));
	lseek(key, 0, SEEK_SET);
	snprintf(path, sizeof(path), "%s/log", rig.dir);
	rig.pid = fork();
	if (rig.pid == 0) {
		int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(log, STDERR_FILENO);
		rig_exec(fds);
	}
	close(key);
	close(fds[FD_CONFIG]);
}

/* Its exit code; 1000 and the signal when a signal ended it; -1 when it lives on. */
static int rig_wait(void)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, rig.pid, 0), .events = POLLIN };
	int status = 0, ended = poll(&p, 1, WAIT_MS);

	close(p.fd);
	if (ended != 1 || waitpid(rig.pid, &status, 0) != rig.pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void rig_kill(void)
{
	kill(rig.pid, SIGKILL);
	cr_assert_eq(rig_wait(), 1000 + SIGKILL);
	close(rig.fd);
	rig.fd = -1;
}

static bool rig_has_logged(const char *text)
{
	static char log[1 << 20];
	char path[128];

	snprintf(path, sizeof(path), "%s/log", rig.dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, log, sizeof(log) - 1);

	close(fd);
	log[n > 0 ? n : 0] = 0;
	return strstr(log, text) != NULL;
}

static void rig_close(void)
{
	static const char *const files[] = { "signer.sock", "journal", "log" };
	char path[128];

	if (rig.pid > 0 && waitpid(rig.pid, NULL, WNOHANG) == 0) {
		kill(rig.pid, SIGKILL);
		waitpid(rig.pid, NULL, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", rig.dir, files[i]);
		unlink(path);
	}
	rmdir(rig.dir);
	settings_free(&rig.settings);
}

/* From here on: the submitter's end. */

static int rig_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, rig.path, sizeof(sa.sun_path));
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Length of the next packet; 0 when the link was closed; -1 when nothing came. */
static ssize_t rig_receive(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, WAIT_MS) != 1)
		return -1;
	ssize_t n = recv(fd, rig.packet, sizeof(rig.packet), 0);

	return n < 0 ? 0 : n;
}

static void rig_take(int fd, const struct ipc_msg *msg, void *m)
{
	struct ipc_frame f;
	ssize_t n = rig_receive(fd);

	cr_assert_gt(n, 0, "no %s came", msg->name);
	cr_assert_eq(wire_open(BYTES(rig.packet, (size_t)n), (struct bytes){ 0 }, &f), OK);
	cr_assert_str_eq(f.msg->name, msg->name);
	cr_assert_eq(wire_decode(&f, m), OK);
}

static size_t rig_encode(const struct ipc_msg *msg, const void *m, uint8_t *buf, size_t cap)
{
	struct bytes blob;
	size_t len;

	cr_assert_eq(wire_encode(msg, m, buf, cap, &len, &blob), OK);
	return len;
}

static void rig_send(int fd, const struct ipc_msg *msg, const void *m)
{
	static uint8_t buf[IPC_PACKET_MAX];
	size_t len = rig_encode(msg, m, buf, sizeof(buf));

	cr_assert_eq(send(fd, buf, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Hello both ways; the answer is its signer_info. */
static struct msg_signer_info rig_greet(int fd)
{
	struct msg_signer_info info;
	struct msg_hello m;

	rig_take(fd, &ipc_hello, &m);
	cr_assert(bytes_eq(m.role, BYTES("signer", 6)));
	m.role = BYTES("submitter", 9);
	rig_send(fd, &ipc_hello, &m);
	rig_take(fd, &ipc_signer_info, &info);
	return info;
}

static struct msg_signer_info rig_up(void)
{
	rig_start();
	rig.fd = rig_connect();
	return rig_greet(rig.fd);
}

static struct msg_signer_info rig_adopt(uint64_t nonce)
{
	struct msg_adopt m = { .chain = WORLD_CHAIN, .nonce = nonce };
	struct msg_signer_info info;

	rig_send(rig.fd, &ipc_adopt, &m);
	rig_take(rig.fd, &ipc_signer_info, &info);
	return info;
}

struct signed_tx {
	struct msg_tx_signed m;		/* raw borrowed from bytes */
	uint8_t bytes[IPC_RAW_TX_MAX];
};

static void rig_take_tx(int fd, struct signed_tx *out)
{
	rig_take(fd, &ipc_tx_signed, &out->m);
	memcpy(out->bytes, out->m.raw.p, out->m.raw.len);
	out->m.raw.p = out->bytes;
}

static void rig_sign(const struct msg_sign_tx *m, struct signed_tx *out)
{
	rig_send(rig.fd, &ipc_sign_tx, m);
	rig_take_tx(rig.fd, out);
	cr_assert_eq(out->m.op, m->op);
}

static void rig_refused_here(uint64_t op, const char *rule)
{
	struct msg_sign_refused r;
	char text[33];

	rig_take(rig.fd, &ipc_sign_refused, &r);
	cr_assert_str_eq(wire_text(r.rule, text, sizeof(text)), rule);
	cr_assert_eq(r.op, op);
}

__attribute__((unused)) static void rig_refused(const struct msg_sign_tx *m, const char *rule)
{
	rig_send(rig.fd, &ipc_sign_tx, m);
	rig_refused_here(m->op, rule);
}

static void rig_raise(uint64_t nonce, uint64_t gas, uint64_t max_fee)
{
	struct msg_raise m = { .chain = WORLD_CHAIN, .nonce = nonce, .gas = gas, .max_fee = max_fee };

	rig_send(rig.fd, &ipc_raise, &m);
}

/* From here on: answers of the Core, and what is signed. */

static uint8_t calldata[100000];	/* of the last public_answer */

static struct msg_sign_tx public_answer(uint64_t id, uint64_t result)
{
	return (struct msg_sign_tx){
		.op = id, .chain = WORLD_CHAIN, .kind = KIND_public_decryption, .id = world_id(id),
		.to = world_addr(WORLD_MANAGER), .gas = WORLD_GAS, .max_fee = WORLD_FEE,
		.handles_hash = world_handles_hash(),
		.calldata = world_public(id, result, 0x22, calldata, sizeof(calldata)),
	};
}

static void is_same(const struct signed_tx *x, const struct signed_tx *y)
{
	cr_assert(bytes_eq(x->m.raw, y->m.raw), "byte for byte");
	cr_assert(b32_eq(&x->m.hash, &y->m.hash));
	cr_assert_eq(x->m.nonce, y->m.nonce);
}

/* Fields of the raw transaction as a node reads them. */
static void is_transaction(const struct signed_tx *t, const struct msg_sign_tx *m, uint64_t nonce)
{
	struct bytes in = t->m.raw, list, item[12];
	struct b32 hash = keccak_bytes(in);
	bool is_list = false;

	cr_assert(b32_eq(&hash, &t->m.hash));
	cr_assert_eq(in.p[0], 2);
	in.p++;
	in.len--;
	cr_assert_eq(rlp_next(&in, &list, &is_list), OK);
	cr_assert(is_list && in.len == 0);
	for (unsigned i = 0; i < 12; i++) {
		cr_assert_eq(rlp_next(&list, &item[i], &is_list), OK, "%u", i);
		cr_assert_eq(is_list, i == 8);
	}
	cr_assert_eq(list.len, 0u);
	cr_assert_eq(item[1].len, nonce ? 1u : 0u);
	cr_assert(!nonce || item[1].p[0] == nonce);
	cr_assert(bytes_eq(item[5], BYTES_OF(m->to.b)));
	cr_assert_eq(item[6].len, 0u, "value is 0");
	cr_assert(bytes_eq(item[7], m->calldata));
	cr_assert_eq(item[8].len, 0u, "no access list");
	cr_assert_eq(t->m.nonce, nonce);
}
