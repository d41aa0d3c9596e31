/*
 * main_common.c - what the three programs share; see main.h.
 */
#include <sys/resource.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "mem.h"
#include "platform.h"

extern char **environ;

static void
main_help(const char *program, const char *usage)
{
	const struct conf_item *items;
	size_t i, n = conf_items(&items);

	printf("usage: %s [SETTINGS] %s\n\n"
	    "settings (flag, environment variable):\n", program, usage);
	for (i = 0; i < n; i++)
		printf("  --%-20s %-28s %s\n", items[i].flag, items[i].env,
		    items[i].help);
	printf("\n  --help, --version\n");
}

int
main_load(int argc, char **argv, const char *program, const char *const *own,
    const char *usage, struct main_args *args, int *status)
{
	struct conf_errors errors = { 0 };
	size_t i;

	*status = 0;
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0)) {
		main_help(program, usage);
		return -1;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", program, COLIBRI_VERSION);
		return -1;
	}
	args->conf = conf_load(&argc, argv, own, &errors);
	if (args->conf == NULL) {
		for (i = 0; i < errors.n; i++)
			fprintf(stderr, "%s: %s\n", program, errors.texts[i]);
		conf_errors_free(&errors);
		*status = 2;
		return -1;
	}
	args->argc = argc - 1;
	args->argv = argv + 1;
	return 0;
}

void
main_harden(void)
{
	static const struct rlimit none = { 0, 0 };
	char *name;
	size_t i;

	setrlimit(RLIMIT_CORE, &none);
	platform_no_dump();
	signal(SIGPIPE, SIG_IGN);
	/* Vault credentials come from provider.env, never from here. */
	for (i = 0; environ[i] != NULL;) {
		if (strncmp(environ[i], "BW_", 3) == 0) {
			name = xmemdup0(environ[i], strcspn(environ[i], "="));
			unsetenv(name);
			free(name);
		} else {
			i++;
		}
	}
}
