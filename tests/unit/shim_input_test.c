/* links: shim_input secret secret_redact mem */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "shim_priv.h"

/* What was written is nowhere in the buffer any more. */
TEST(what_is_written_is_wiped)
{
	static char prompt[200000], taken[200000];
	struct shim_input in = { .any = true };
	size_t all = sizeof(prompt), left, i, stale = 0;
	int p[2];

	memset(prompt, 'x', all);
	CHECK_INT(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	in.fd = p[1];
	CHECK_INT(shim_input_add(&in, prompt, all), 0);
	left = in.waiting.len;
	CHECK(left > 0 && left < all);
	for (i = left; i < all; i++)
		stale += in.waiting.data[i] == 'x';
	CHECK_INT(stale, 0);
	while (in.waiting.len > 0 && read(p[0], taken, sizeof(taken)) > 0)
		shim_input_flush(&in);
	CHECK_INT(in.waiting.len, 0);
	CHECK(in.waiting.data == NULL);
	close(p[0]);
	close(p[1]);
}

TEST(what_waits_is_bounded_and_ends_with_its_reader)
{
	static char much[SHIM_INPUT_MAX];
	struct shim_input in = { .any = true, .fd = -1, .held = true };
	int p[2];

	CHECK_INT(shim_input_add(&in, "", 0), 0);
	CHECK_INT(shim_input_add(&in, much, sizeof(much)), 0);
	CHECK_INT(shim_input_add(&in, "x", 1), EAGAIN);
	CHECK_INT(in.waiting.len, sizeof(much));
	CHECK_INT(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	in.fd = p[1];
	in.held = false;
	close(p[0]);
	shim_input_flush(&in);
	CHECK_INT(in.fd, -1);
	CHECK_INT(in.waiting.len, 0);
	CHECK_INT(shim_input_add(&in, "x", 1), EPIPE);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(what_is_written_is_wiped);
	RUN(what_waits_is_bounded_and_ends_with_its_reader);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
