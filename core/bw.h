/*
 * bw.h - what the Bitwarden CLI `bw` needs from us and lets us know.
 *
 * bw itself is run by lua/colibri/vault/bw.lua through core.proc; here is what
 * must not be left to it: it takes any text for a server's URL, keeps one
 * data file that two processes overwrite, and calls things a success that are
 * none. No I/O but the lock and the data file. The reader of its JSON is
 * bw_json.h.
 */
#ifndef COLIBRI_BW_H
#define COLIBRI_BW_H

#include "core.h"
#include "err.h"
#include "secret.h"

#define BW_SERVER_MAX	512		/* bytes of a URL with its NUL */
#define BW_NAME_MAX	80		/* of a directory name with its NUL */

/*
 * Check the URL of a server and write it as bw will read it back: "https://",
 * a host in lower case, an optional port, an optional path without a slash at
 * the end. No user, blank, query, fragment or control byte. The text of the
 * error never shows the URL, which may hold a password. Code:
 * VaultNotConfigured.
 */
int bw_server_check(const char *url, size_t len, char out[BW_SERVER_MAX],
    struct err *e);

/* The name of the directory where bw keeps its data for this (checked) server
 * and this account: readable host, then 16 hex digits over both. */
void bw_dir_name(const char *server, const char *account, size_t len,
    char out[BW_NAME_MAX]);

/* Is this what `bw unlock` gives: 64 bytes in base64? */
bool bw_session_ok(const char *session, size_t len);

/*
 * Take the lock of bw's data directory, which holds between processes and goes
 * with the descriptor. The directory must be ours (or root's) and 0700.
 * Returns the descriptor, or -1: VaultBusy (somebody has it),
 * VaultNotConfigured.
 */
int bw_lock(const char *dir, struct err *e);
void bw_unlock(int fd);		/* -1 allowed */

/* The text of data.json in bw's data directory, which holds the API key and the
 * access token. NULL: NotFound, VaultNotConfigured (cannot be read, or is
 * none of ours), VaultProtocol (over BW_DATA_MAX bytes). */
#define BW_DATA_MAX	(32 * 1024 * 1024)
struct secret *bw_data_read(const char *dir, struct err *e);

/* What a file holds, as a text that tells nothing about it and that only this
 * process can compare; "" for a file that cannot be read. */
#define BW_STAMP_MAX	33
void bw_stamp(const char *path, char out[BW_STAMP_MAX]);

/* {"password":"..."}, for `bw serve`. NULL: VaultNotConfigured, when the bytes
 * are not UTF-8. */
struct secret *bw_password_json(const char *password, size_t len,
    struct err *e);

#endif
