/*
 * ask.c - one request line to a Unix socket, its reply line to stdout.
 *
 *	ask SOCKET LINE
 *
 * Waits up to ten seconds for a server that is just starting.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), tries = 10000;
	char c;

	if (argc != 3 || fd < 0)
		return 2;
	strncpy(sa.sun_path, argv[1], sizeof(sa.sun_path) - 1);
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		if (tries-- == 0) {
			perror(argv[1]);
			return 1;
		}
		usleep(1000);
	}
	if (dprintf(fd, "%s\n", argv[2]) < 0)
		return 1;
	while (read(fd, &c, 1) == 1 && c != '\n')
		putchar(c);
	putchar('\n');
	return 0;
}
