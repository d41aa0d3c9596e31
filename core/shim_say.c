/*
 * shim_say.c - what the daemon is told; see shim_priv.h and the wire in agent.h.
 */
#include <sys/types.h>
#include <sys/wait.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim_priv.h"

#define LAST_SECONDS	5.0	/* for the daemon to read the end */

bool
shim_runs(const struct shim *sh)
{
	return !sh->held && sh->child.exec < 0 && !sh->exec_failed;
}

void
shim_say_pid(struct shim *sh, char type)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", (long)sh->child.pid);
	shim_link_send(&sh->link, type, text, strlen(text));
}

void
shim_say_hello(struct shim *sh)
{
	char text[96];
	int len;

	len = snprintf(text, sizeof(text), "protocol=%d%cshim=%ld%cstdin=%d",
	    SHIM_PROTOCOL, 0, (long)getpid(), 0, sh->input.any);
	shim_link_send_first(&sh->link, 'V', text, (size_t)len + 1);
}

void
shim_say_failed(struct shim *sh, const struct err *e)
{
	char text[sizeof(e->text) + 32];

	snprintf(text, sizeof(text), "%d %s", e->sys, e->text);
	shim_link_send(&sh->link, 'F', text, strlen(text));
}

void
shim_say_last(struct shim *sh)
{
	double end = shim_now() + LAST_SECONDS, left;
	struct pollfd p = { .events = POLLOUT };

	for (;;) {
		shim_link_flush(&sh->link);
		left = end - shim_now();
		if (sh->link.fd < 0 || TAILQ_EMPTY(&sh->link.out) || left <= 0)
			return;
		p.fd = sh->link.fd;
		poll(&p, 1, (int)(left * 1000) + 1);
	}
}

void
shim_say_ended(struct shim *sh)
{
	int code = WIFEXITED(sh->status) ? WEXITSTATUS(sh->status) : -1;
	int signo = WIFSIGNALED(sh->status) ? WTERMSIG(sh->status) : 0;
	struct buf words = { 0 };
	char *text, *at;

	shim_stop_words(&sh->stop, sh->dir.out.lost + sh->dir.err.lost,
	    &words);
	buf_add(&words, "", 1);
	text = xasprintf("code=%d\nsignal=%d\n%s", code, signo, words.data);
	if (!sh->held)
		shim_dir_exit(&sh->dir, text);
	free(text);
	text = xasprintf("%d %d\n%s", code, signo, words.data);
	for (at = text; (at = strchr(at, '\n')) != NULL; at++)
		*at = ' ';
	shim_link_send(&sh->link, 'X', text, strlen(text));
	free(text);
	buf_free(&words);
}
