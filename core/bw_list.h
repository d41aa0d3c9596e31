/*
 * bw_list.h - where the elements stand in a listing of `bw`, and what its data
 * file says: one pass over bytes that stay where they are, without taking a
 * value out.
 *
 * One listing serves many tenants, and most of it is other tenants' secrets. So
 * it is kept as it came, in locked memory, and only the elements of the
 * collection that was asked for are ever made into values.
 */
#ifndef COLIBRI_BW_LIST_H
#define COLIBRI_BW_LIST_H

#include "bw_json.h"
#include "core.h"
#include "err.h"

#define BW_ID_MAX	64		/* bytes of an id with its NUL */
#define BW_IDS_MAX	64		/* collections of an item */
#define BW_TIME_MAX	20		/* "2026-11-24T01:53:10" with its NUL */

struct bw_element {
	size_t from, to;		/* bytes of the text */
	char id[BW_ID_MAX];		/* "" in a data file: none */
	bool gone;			/* in the trash or archived */
	char revised[BW_TIME_MAX];	/* revisionDate to the second, or "" */
	size_t nids;			/* collectionIds, ids all of them */
	char ids[BW_IDS_MAX][BW_ID_MAX];
};

typedef int bw_element_cb(const struct bw_element *el, void *arg);

/* Does it look like one of Bitwarden's ids: hex digits and '-'? */
bool bw_id_ok(const char *id);

/*
 * Each element of {"success":true,"data":{"data":[...]}}. Borrows the text. The
 * callback may end it by anything but 0, which is returned. Codes:
 * VaultProtocol; an element that is no object, the same key twice among those
 * that are looked at, success that is not true.
 */
int bw_list_each(const char *text, size_t len, bw_element_cb *cb, void *arg,
    struct err *e);

/* Each item that bw's data file (data.json) has in its copy of the vault, with
 * from and to unset. Codes: VaultProtocol, also when there is no copy. */
int bw_data_each(const char *text, size_t len, bw_element_cb *cb, void *arg,
    struct err *e);

/* When the server made the access token in bw's data file, by the server's
 * clock (the claim nbf), UNIX seconds; -1 when that cannot be told. */
int64_t bw_data_token_time(const char *text, size_t len);

#endif
