/* sockets - bound once, handed on for ever. */

#include "supervisor/sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const struct link_row link_rows[LINK_COUNT] = {
#define L(name, file_, listens_, connects_) \
	[LINK_##name] = { .file = file_, .listens = ROLE_##listens_, .connects = ROLE_##connects_ },
	IPC_LINKS(L)
#undef L
};

/* Owner, group and mode while nobody can connect yet: listen() comes after. */
static int set_owner(const char *path, const struct who *listens, const struct who *connects)
{
	bool two_users = listens->uid != connects->uid;

	if (listens->drop || connects->drop)
		if (chown(path, listens->uid, two_users ? connects->gid : listens->gid) < 0)
			return -1;
	return chmod(path, two_users ? 0660 : 0600);
}

static int bind_link(const char *dir, const struct link_row *row, const struct who who[ROLE_COUNT])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, row->file);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (unlink(sa.sun_path) < 0 && errno != ENOENT)
		return -1;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	mode_t mask = umask(0177);
	bool bad = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0;
	int error = errno;
	umask(mask);
	errno = error;
	if (bad || set_owner(sa.sun_path, &who[row->listens], &who[row->connects]) < 0 ||
	    listen(fd, SOCKETS_BACKLOG) < 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

enum exit_code sockets_open(const char *runtime_dir, const struct who who[ROLE_COUNT],
			    struct sockets *out)
{
	*out = (struct sockets){ 0 };
	for (int i = 0; i < LINK_COUNT; i++)
		out->fd[i] = -1;
	if ((size_t)snprintf(out->dir, sizeof(out->dir), "%s", runtime_dir) >= sizeof(out->dir)) {
		fprintf(stderr, "kms-connector: runtime_dir %s is too long for sockets: at most "
			"%zu bytes\n", runtime_dir, sizeof(out->dir) - 1);
		return EXIT_config;
	}
	for (int i = 0; i < LINK_COUNT; i++) {
		out->fd[i] = bind_link(runtime_dir, &link_rows[i], who);
		if (out->fd[i] >= 0)
			continue;
		enum exit_code code = errno == EACCES || errno == EPERM || errno == EROFS
			? EXIT_permission : errno == ENAMETOOLONG ? EXIT_config : EXIT_io;
		fprintf(stderr, "kms-connector: cannot make %s/%s: %s\n", runtime_dir,
			link_rows[i].file, strerror(errno));
		sockets_close(out);
		return code;
	}
	return EXIT_ok;
}

void sockets_close(struct sockets *s)
{
	char path[108];

	for (int i = 0; i < LINK_COUNT; i++) {
		if (s->fd[i] < 0)
			continue;
		close(s->fd[i]);
		s->fd[i] = -1;
		snprintf(path, sizeof(path), "%s/%s", s->dir, link_rows[i].file);
		unlink(path);
	}
}

int sockets_listen_tcp(const char *host, uint16_t port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai = NULL;
	char service[8];
	int yes = 1;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &ai) != 0) {
		errno = EINVAL;
		return -1;
	}
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
			bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
			listen(fd, SOCKETS_BACKLOG_TCP) < 0)) {
		int error = errno;
		close(fd);
		errno = error;
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}
