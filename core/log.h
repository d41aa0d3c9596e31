/*
 * log.h - the single writer of log lines.
 *
 * One line per record, written with one write(2) to the log descriptor
 * (stderr unless log_open() said otherwise):
 *
 *	2026-11-24T01:53:10.123Z info provision provisioning tenant env from vault tenant=proof0
 *
 * or, with LOG_JSON, one JSON object with the same fields. Control bytes are
 * escaped, values that hold blanks are quoted, lines are bounded to 8 KiB
 * ("[cut]" or "cut":true at the end), and every line passes secret_redact()
 * here, at the writer, so that no caller can forget it. A reader that does not
 * keep up costs lines, which a later line counts; it never stops the caller.
 * SIGPIPE is the program's to ignore.
 */
#ifndef COLIBRI_LOG_H
#define COLIBRI_LOG_H

#include "core.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
	const char *key;	/* [a-z_]+ */
	const char *value;	/* any bytes up to NUL */
};

/* fd is borrowed. Before the first call: stderr, LOG_INFO, LOG_TEXT. */
void log_setup(int fd, enum log_level level, enum log_format format);

bool log_enabled(enum log_level level);

/* "error" "warn" "info" "debug". Returns 0, or -1 when unknown. */
int log_level_parse(const char *name, enum log_level *level);

/* topic: the file or service that speaks, [a-z_]+. */
void log_write(enum log_level level, const char *topic, const char *msg,
    const struct log_field *fields, size_t nfields);

void log_error(const char *topic, const char *fmt, ...) ATTR_PRINTF(2, 3);
void log_warn(const char *topic, const char *fmt, ...) ATTR_PRINTF(2, 3);
void log_info(const char *topic, const char *fmt, ...) ATTR_PRINTF(2, 3);
void log_debug(const char *topic, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* For start-up and broken invariants only; never reachable by a peer, a
 * script, a child or a full disk. Logs and calls abort(3). */
void log_fatal(const char *topic, const char *fmt, ...)
    ATTR_PRINTF(2, 3) ATTR_NORETURN;

#endif
