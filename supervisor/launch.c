/* launch - descriptors for each role, then spawn. */

#include "supervisor/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/spawn.h"

static const char *const programs[ROLE_COUNT] = {
#define R(name, program, text) [ROLE_##name] = program,
	IPC_ROLES(R)
#undef R
};

enum err launcher_open(struct launcher *l)
{
	ssize_t n = readlink("/proc/self/exe", l->dir, sizeof(l->dir) - 1);

	l->http = l->alive[0] = l->alive[1] = -1;
	if (n <= 0 || (size_t)n >= sizeof(l->dir) - 1)
		return ERR_IO;
	l->dir[n] = 0;
	*strrchr(l->dir, '/') = 0;
	return pipe2(l->alive, O_CLOEXEC) < 0 ? ERR_IO : OK;
}

void launcher_forget_http(struct launcher *l)
{
	if (l->http >= 0)
		close(l->http);
	l->http = -1;
}

void launcher_close(struct launcher *l)
{
	launcher_forget_http(l);
	for (int i = 0; i < 2; i++)
		if (l->alive[i] >= 0)
			close(l->alive[i]);
	l->alive[0] = l->alive[1] = -1;
}

/* Descriptors that are made for one start and closed after it. */
struct passing {
	int fd[4];
	unsigned count;
	bool refused;
};

static bool pass(struct spawn *s, struct passing *p, const char *name, int fd)
{
	if (fd < 0)
		return false;
	p->fd[p->count++] = fd;
	spawn_add(s, name, fd);
	return true;
}

static bool give_signer(struct launcher *l, struct spawn *s, struct passing *p, char *why,
			size_t cap)
{
	int fd;
	enum exit_code code = config_open_key(l->config, stderr, &fd);

	if (!pass(s, p, "key", fd)) {
		snprintf(why, cap, "the key file cannot be used");
		p->refused = code != EXIT_io;
		return false;
	}
	if (!pass(s, p, "journal", home_open_journal(l->config))) {
		snprintf(why, cap, errno == EAGAIN ? "an earlier signer is still ending"
						   : "journal: %s", strerror(errno));
		return false;
	}
	return true;
}

static bool give_executor(struct launcher *l, struct spawn *s, struct passing *p, char *why,
			  size_t cap)
{
	int fd;

	s->workdir = l->home->store;
	if (!l->config->credentials_file)
		return true;
	enum exit_code code = config_open_credentials(l->config, stderr, &fd);
	if (pass(s, p, "credentials", fd))
		return true;
	snprintf(why, cap, "the credentials of the storage cannot be used");
	p->refused = code != EXIT_io;
	return false;
}

static bool give_monitor(struct launcher *l, struct spawn *s, char *why, size_t cap)
{
	char name[32];

	if (l->http < 0)
		l->http = sockets_listen_tcp(l->config->monitor_host, l->config->monitor_port);
	if (l->http < 0) {
		snprintf(why, cap, "monitor.listen %s port %u: %s", l->config->monitor_host,
			 l->config->monitor_port, strerror(errno));
		return false;
	}
	spawn_add(s, "http", l->http);
	for (int role = 0; role < ROLE_COUNT; role++) {
		if (l->pages->readable[role] < 0)
			continue;
		snprintf(name, sizeof(name), "counters.%s", ipc_role_name((enum ipc_role)role));
		spawn_add(s, name, l->pages->readable[role]);
	}
	return true;
}

static bool give(struct launcher *l, enum ipc_role role, struct spawn *s, struct passing *p,
		 char *why, size_t cap)
{
	if (!pass(s, p, "config", settings_to_fd(l->config->child[role], "config"))) {
		snprintf(why, cap, "settings: %s", strerror(errno));
		return false;
	}
	spawn_add(s, "counters", l->pages->fd[role]);
	spawn_add(s, "alive", l->alive[0]);
	for (int i = 0; i < LINK_COUNT; i++)
		if (link_rows[i].listens == role)
			spawn_add(s, link_rows[i].file, l->sockets->fd[i]);
	if (role == ROLE_SIGNER)
		return give_signer(l, s, p, why, cap);
	if (role == ROLE_EXECUTOR)
		return give_executor(l, s, p, why, cap);
	return role == ROLE_MONITOR ? give_monitor(l, s, why, cap) : true;
}

pid_t launch_child(struct launcher *l, enum ipc_role role, char *why_out, size_t cap)
{
	char program[600];
	struct spawn s = { .program = program, .name = programs[role], .workdir = -1,
			   .who = l->home->who[role] };
	struct passing passing = { .count = 0 };
	pid_t pid = -1;

	snprintf(program, sizeof(program), "%s/%s", l->dir, programs[role]);
	if (give(l, role, &s, &passing, why_out, cap)) {
		pid = spawn_start(&s);
		if (pid < 0)
			snprintf(why_out, cap, "%s: %s", programs[role], strerror(errno));
	}
	for (unsigned i = 0; i < passing.count; i++)
		close(passing.fd[i]);
	return passing.refused ? LAUNCH_REFUSED : pid;
}
