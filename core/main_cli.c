/*
 * main_cli.c - colibri: the socket CLI; everything it knows is in
 * lua/colibri/cli.lua and in what the daemon describes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "log.h"

static void
done_cb(int status, const char *message, void *arg)
{
	if (message[0] != '\0')
		fprintf(stderr, "colibri: %s\n", message);
	colibri_stop(arg, status);
}

/* The CLI's own flags may stand anywhere, so conf sees only the environment. */
int
main(int argc, char **argv)
{
	char *words[] = { argv[0], NULL };
	struct conf_errors errors = { 0 };
	struct err e = ERR_INIT;
	struct colibri *host;
	struct conf *conf;
	int n = 1, status;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	conf = conf_load(&n, words, NULL, &errors);
	if (conf == NULL) {
		for (i = 0; i < errors.n; i++)
			fprintf(stderr, "colibri: %s\n", errors.texts[i]);
		conf_errors_free(&errors);
		return 2;
	}
	log_setup(STDERR_FILENO, LOG_WARN, LOG_TEXT);
	host = host_new(conf, NULL, &e);
	if (host == NULL) {
		fprintf(stderr, "colibri: %s: %s\n", e.code, e.text);
		return 1;
	}
	colibri_start(host, "colibri.cli", argc - 1, argv + 1, done_cb, host);
	status = colibri_run(host);
	colibri_free(host);
	return status;
}
