/*
 * spawn_fixture.h - a loop, a reaper and what a child gave, for the spawn tests.
 */
#ifndef COLIBRI_SPAWN_FIXTURE_H
#define COLIBRI_SPAWN_FIXTURE_H

#include "check.h"
#include "loop.h"
#include "reaper.h"
#include "spawn.h"

static struct loop *loop;
static struct reaper *reaper;

struct seen {
	int calls;
	bool free_inside;
	struct spawn_result r;
	char out[4096], err[4096];	/* terminated beginnings */
};

static void
text_copy(char *to, size_t size, const void *data, size_t len)
{
	if (len >= size)
		len = size - 1;
	if (len > 0)
		memcpy(to, data, len);
	to[len] = '\0';
}

static void
seen_cb(struct spawn *s, struct spawn_result *r, void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	text_copy(seen->out, sizeof(seen->out), r->out.data, r->out.len);
	text_copy(seen->err, sizeof(seen->err), r->err.data, r->err.len);
	seen->r = *r;		/* numbers; the buffers are freed */
	if (seen->free_inside)
		spawn_free(s);
}

static void
setup(void)
{
	loop = loop_new(NULL, NULL);
	reaper = reaper_new(loop, NULL);
}

static void
teardown(void)
{
	double end = loop_now_fresh(loop) + 10;

	while (reaper_count(reaper) > 0 && loop_now_fresh(loop) < end)
		loop_turn(loop, 1);
	CHECK_INT(reaper_count(reaper), 0);
	reaper_free(reaper);
	loop_free(loop);
}

static void
turn_until_called(const struct seen *seen)
{
	double end = loop_now_fresh(loop) + 20;

	while (seen->calls == 0 && loop_now_fresh(loop) < end)
		loop_turn(loop, 1);
	CHECK_INT(seen->calls, 1);
}

/* Run to the end; spec gives all but argv. */
static void
run(const char *script, struct spawn_spec spec, struct seen *seen)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct err e = ERR_INIT;
	struct spawn *s = NULL;

	if (spec.argv == NULL)
		spec.argv = argv;
	if (spawn_start(loop, reaper, &spec, seen_cb, seen, &s, &e) != 0) {
		CHECK_NOTE("%s: %s", e.code, e.text);
		return;
	}
	turn_until_called(seen);
	spawn_free(s);
}

#endif
