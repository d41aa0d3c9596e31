/*
 * sock.h - Unix stream sockets: listening, connecting, who is there.
 */
#ifndef COLIBRI_SOCK_H
#define COLIBRI_SOCK_H

#include <sys/types.h>

#include "core.h"
#include "err.h"

struct sock_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;		/* 0 where the kernel does not tell */
};

/*
 * Bind and listen. The directory is made 0750 when missing, the socket is
 * 0660. A lock file beside it (path.lock, flock) keeps two starters apart. A
 * socket file that is there is removed only after a connect to it was refused;
 * if something answers: SocketInUse. If what is there is no socket: SocketInUse
 * too, and it is left alone. Codes: SocketInUse, SocketFailed, BadPath (too
 * long for sun_path, relative). *lock_fd stays open for the daemon's life; the
 * lock file stays for good. Sets the process's umask for a moment.
 */
int sock_listen(const char *path, int *listen_fd, int *lock_fd,
    struct err *e);

/* Remove the socket file if it still is ours (device and inode, and we are the
 * process that bound it), close both. */
void sock_unlisten(const char *path, int listen_fd, int lock_fd);

/* Accept one connection: non-blocking, close-on-exec. Returns the descriptor;
 * -1 with e->sys == EAGAIN (nothing there), EMFILE/ENFILE (out of descriptors:
 * the caller pauses accepting for a second) or another errno. */
int sock_accept(int listen_fd, struct sock_peer *peer, struct err *e);

/* Connect (blocking connect on a local socket, then non-blocking). Codes:
 * DaemonUnreachable (with "is colibri-daemon running?"), BadPath. */
int sock_connect(const char *path, struct err *e);

/* Uid, gid and pid of the other end, from the kernel (SO_PEERCRED on Linux,
 * getpeereid(3)/LOCAL_PEERCRED on FreeBSD). */
int sock_peer(int fd, struct sock_peer *peer, struct err *e);

#endif
