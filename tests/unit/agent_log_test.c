/* links: agent agent_link agent_spec agent_find agent_log agent_sweep platform sock_peer spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
#include "agent_fixture.h"

/* Everything from pos on, checked against "1\n2\n..." from *next on. */
static void
read_numbers(struct agent_log_pos *pos, long *next, uint64_t *missed)
{
	static char bytes[10000];
	struct buf b = { 0 };
	struct err e = ERR_INIT;
	uint64_t gone;
	char want[32];
	size_t at = 0, len;
	ssize_t n;

	*missed = 0;
	while ((n = agent_log_read(dir, pos, bytes, sizeof(bytes), &gone,
	    &e)) > 0) {
		*missed += gone;
		buf_add(&b, bytes, (size_t)n);
	}
	CHECK_INT(n, 0);
	while (at < b.len) {
		len = (size_t)snprintf(want, sizeof(want), "%ld\n", *next);
		if (b.len - at < len)
			break;
		if (memcmp(b.data + at, want, len) != 0) {
			CHECK_NOTE("line %ld is not there", *next);
			break;
		}
		at += len;
		++*next;
	}
	pos->at -= b.len - at;		/* a line that is not complete */
	buf_free(&b);
}

static int
count_parts(void)
{
	struct dirent *de;
	DIR *d = opendir(dir);
	int n = 0;

	while ((de = readdir(d)) != NULL)
		n += strncmp(de->d_name, "out.", 4) == 0 &&
		    strlen(de->d_name) == 20;
	closedir(d);
	return n;
}

/* Numbered lines over twenty rotations, read meanwhile: COLIBRI_TEST_LOG_LINES. */
TEST(no_line_is_lost_or_twice)
{
	const char *env = getenv("COLIBRI_TEST_LOG_LINES");
	long lines = env != NULL ? atol(env) : 1000000, next = 1;
	struct seen seen = { .free_at_end = true };
	struct agent_log_pos pos = { 0 };
	char script[200];
	uint64_t missed, all = 0;

	setup();
	snprintf(script, sizeof(script), "exec seq 1 %ld", lines);
	start_sh(script, (struct agent_spec){ .log_size = lines * 6 / 20,
	    .log_keep = 1000 }, &seen);
	while (!seen_end(&seen)) {
		loop_turn(loop, 0.01);
		if (pos.at > 0 || content("agents/a1/" OUT)[0] != '\0')
			read_numbers(&pos, &next, &missed);
		all += missed;
	}
	read_numbers(&pos, &next, &missed);
	CHECK_INT(next, lines + 1);
	CHECK_INT(all + missed, 0);
	CHECK(count_parts() >= 20);
	teardown();
}

TEST(parts_begin_with_a_line_and_old_ones_go)
{
	struct seen seen = { .free_at_end = true };
	struct agent_log_pos pos = { 0 };
	struct err e = ERR_INIT;
	uint64_t missed, begin, end, from;
	long next = 0;

	setup();
	start_sh("exec seq 1 20000", (struct agent_spec){ .log_size = 4000,
	    .log_keep = 3 }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_INT(count_parts(), 3);
	CHECK_INT(agent_log_range(dir, false, 0, &begin, &end, &from, &e), 0);
	CHECK_INT(end, 9 * 2 + 90 * 3 + 900 * 4 + 9000 * 5 + 10001 * 6);
	CHECK(end - begin <= 12000 && end - begin > 4000);
	CHECK_INT((long)begin % 6, (9 * 2 + 90 * 3 + 900 * 4 + 9000 * 5) % 6);
	/* The number of the first line that is left follows from its place. */
	next = 10000 + ((long)begin - (9 * 2 + 90 * 3 + 900 * 4 + 9000 * 5)) / 6;
	read_numbers(&pos, &next, &missed);
	CHECK_INT(next, 20001);
	CHECK_INT(missed, begin);
	CHECK_INT(pos.at, end);
	/* What came in this second, and after it. */
	CHECK_INT(agent_log_range(dir, false, time(NULL) - 3600, &begin, &end,
	    &from, &e), 0);
	CHECK_INT(from, begin);
	CHECK_INT(agent_log_range(dir, false, time(NULL) + 3600, &begin, &end,
	    &from, &e), 0);
	CHECK_INT(from, end);
	CHECK_INT(agent_log_tail(dir, false, 3, &from, &e), 0);
	CHECK_INT(from, end - 18);
	CHECK_INT(agent_log_tail(dir, false, 1200, &from, &e), 0);
	CHECK_INT(from, end - 7200);
	CHECK_INT(agent_log_tail(dir, false, 0, &from, &e), 0);
	CHECK_INT(from, end);
	CHECK_INT(agent_log_tail(dir, false, 1000000, &from, &e), 0);
	CHECK_INT(from, begin);
	teardown();
}

/* Long, binary and without an end: all of it is there. */
TEST(what_is_no_text_is_kept)
{
	struct seen seen = { .free_at_end = true };
	struct agent_log_pos pos = { 0 };
	struct err e = ERR_INIT;
	static char bytes[65536];
	struct buf b = { 0 };
	uint64_t missed;
	ssize_t n;
	size_t i;

	setup();
	start_sh("printf '\\377\\000\\376\\n'; head -c 300000 /dev/zero |"
	    " tr '\\0' x; printf '\\nlast'", (struct agent_spec){
	    .log_size = 65536, .log_keep = 100 }, &seen);
	UNTIL(seen_end(&seen));
	while ((n = agent_log_read(dir, &pos, bytes, sizeof(bytes), &missed,
	    &e)) > 0) {
		CHECK_INT(missed, 0);
		buf_add(&b, bytes, (size_t)n);
	}
	CHECK_INT(b.len, 4 + 300000 + 5);
	CHECK_INT(memcmp(b.data, "\377\000\376\n", 4), 0);
	for (i = 0; i < 300000 && b.data[4 + i] == 'x'; i++)
		;
	CHECK_INT(i, 300000);
	CHECK_INT(memcmp(b.data + b.len - 5, "\nlast", 5), 0);
	buf_free(&b);
	teardown();
}

TEST(a_second_run_goes_on_in_the_same_stream)
{
	struct seen seen = { .free_at_end = true };
	struct agent_log_pos pos = { 0 };
	uint64_t missed;
	long next = 1;

	setup();
	start_sh("seq 1 100", (struct agent_spec){ .log_size = 50,
	    .log_keep = 1000 }, &seen);
	UNTIL(seen_end(&seen) && reaper_count(reaper) == 0);
	seen = (struct seen){ .free_at_end = true };
	start_sh("seq 101 200", (struct agent_spec){ .log_size = 50,
	    .log_keep = 1000 }, &seen);
	UNTIL(seen_end(&seen));
	read_numbers(&pos, &next, &missed);
	CHECK_INT(next, 201);
	CHECK_INT(missed, 0);
	teardown();
}

/* The disk may have no room for the second of a part's two files. */
TEST(a_part_that_cannot_be_begun_hides_nothing)
{
	struct seen seen = { .free_at_end = true };
	struct agent_log_pos pos = { .at = 51 };	/* has read 1 to 20 */
	uint64_t missed;
	long next = 21;

	setup();
	start_sh("seq 1 20; mkdir $T/agents/a1/out.0000000000000051.times;"
	    " sleep 0.1; seq 21 30", (struct agent_spec){ .log_size = 51,
	    .log_keep = 1000 }, &seen);
	UNTIL(seen_end(&seen));
	read_numbers(&pos, &next, &missed);
	CHECK_INT(next, 31);
	CHECK_INT(missed, 0);
	teardown();
}

CHECK_MAIN(
    RUN(no_line_is_lost_or_twice);
    RUN(parts_begin_with_a_line_and_old_ones_go);
    RUN(what_is_no_text_is_kept);
    RUN(a_second_run_goes_on_in_the_same_stream);
    RUN(a_part_that_cannot_be_begun_hides_nothing))
