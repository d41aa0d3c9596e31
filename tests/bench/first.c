/*
 * first.c - the least of an agent: prints one event, then ends, or stays until
 * it is killed (`first stay`). Links statically where that works, for a jail
 * root without libraries.
 */
#include <unistd.h>

int
main(int argc, char **argv)
{
	static const char event[] = "{\"type\":\"session\",\"id\":\"bench\"}\n";

	(void)argv;
	if (write(STDOUT_FILENO, event, sizeof(event) - 1) < 0)
		return 1;
	if (argc > 1)
		pause();
	return 0;
}
