/*
 * main.h - what the three programs share: flags, help, hardening.
 */
#ifndef COLIBRI_MAIN_H
#define COLIBRI_MAIN_H

#include "conf.h"
#include "core.h"

struct main_args {
	struct conf *conf;
	int argc;		/* words after the settings */
	char **argv;
};

/*
 * Load the configuration from environment and flags; answer --help and
 * --version. Returns 0, or -1 with the exit status to leave with: 0 after help,
 * 2 after every mistake was printed.
 */
int main_load(int argc, char **argv, const char *program,
    const char *const *own, const char *usage, struct main_args *args,
    int *status);

/* No core dumps, no SIGPIPE, BW_* out of the environment. */
void main_harden(void);

#endif
