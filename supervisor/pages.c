/* pages - shared memory with one writer each. */

#include "supervisor/pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

bool has_page(enum ipc_role role)
{
	return role != ROLE_OPERATOR;
}

static enum err open_one(struct pages *p, enum ipc_role role)
{
	char path[40];
	int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	p->fd[role] = fd;
	if (fd < 0 || ftruncate(fd, sizeof(struct counter_page)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return ERR_IO;
	void *map = mmap(NULL, sizeof(struct counter_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	if (map == MAP_FAILED)
		return ERR_IO;
	p->page[role] = map;
	p->page[role]->magic = COUNTER_PAGE_MAGIC;
	p->page[role]->role = role;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	p->readable[role] = open(path, O_RDONLY | O_CLOEXEC);
	return p->readable[role] < 0 ? ERR_IO : OK;
}

enum err pages_open(struct pages *p)
{
	*p = (struct pages){ 0 };
	for (int role = 0; role < ROLE_COUNT; role++)
		p->fd[role] = p->readable[role] = -1;
	for (int role = 0; role < ROLE_COUNT; role++) {
		enum err e = has_page((enum ipc_role)role) ? open_one(p, (enum ipc_role)role) : OK;
		if (e) {
			pages_close(p);
			return e;
		}
	}
	return OK;
}

void pages_close(struct pages *p)
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		if (p->page[role])
			munmap(p->page[role], sizeof(struct counter_page));
		if (p->fd[role] >= 0)
			close(p->fd[role]);
		if (p->readable[role] >= 0)
			close(p->readable[role]);
		p->page[role] = NULL;
		p->fd[role] = p->readable[role] = -1;
	}
}

void page_begin(struct counter_page *page, uint64_t restarts, uint64_t now_ms)
{
	page->restarts = restarts;
	page->pid = 0;
	page->started_ms = now_ms;
	page->note[0] = 0;
	__atomic_store_n(&page->ready_ms, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&page->beat_ms, now_ms, __ATOMIC_RELAXED);
}

void page_end(struct counter_page *page)
{
	page->pid = 0;
	page->note[0] = 0;
	__atomic_store_n(&page->ready_ms, 0, __ATOMIC_RELAXED);
}
