/*
 * ticker.c - an agent for measurements: ten lines a second for ever, each
 * tenth a JSON event.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int
main(void)
{
	static const char text[] = "a line of an agent's log, about as long as "
	    "they are: 0123456789\n";
	struct timespec next;
	char event[64];
	int i, len;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0;; i++) {
		len = snprintf(event, sizeof(event),
		    "{\"type\":\"message_update\",\"n\":%d}\n", i);
		if (i % 10 == 0 ? write(1, event, (size_t)len) < 0 :
		    write(1, text, strlen(text)) < 0)
			return 1;
		next.tv_nsec += 100000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
