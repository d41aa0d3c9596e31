/*
 * sock_peer.c - who is at the other end of a Unix socket, from the kernel.
 *
 * The platform part of sock.h: SO_PEERCRED on Linux, getpeereid(3) and
 * LOCAL_PEERCRED (for the pid, FreeBSD 13 and later) on FreeBSD.
 */
#include <sys/types.h>
#include <sys/socket.h>
#ifdef __FreeBSD__
#include <sys/ucred.h>
#include <sys/un.h>
#endif

#include <string.h>
#include <unistd.h>

#include "sock.h"

#ifdef __FreeBSD__
int
sock_peer(int fd, struct sock_peer *peer, struct err *e)
{
	struct xucred cred;
	socklen_t len = sizeof(cred);

	memset(peer, 0, sizeof(*peer));
	if (getpeereid(fd, &peer->uid, &peer->gid) != 0)
		return err_sys(e, "SocketFailed", "peer credentials");
	memset(&cred, 0, sizeof(cred));
	if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, &cred, &len) == 0 &&
	    cred.cr_version == XUCRED_VERSION)
		peer->pid = cred.cr_pid;
	return 0;
}
#else
int
sock_peer(int fd, struct sock_peer *peer, struct err *e)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	memset(peer, 0, sizeof(*peer));
	memset(&cred, 0, sizeof(cred));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return err_sys(e, "SocketFailed", "peer credentials");
	/* A socket without a peer has pid 0 and the uid -1. */
	if (cred.pid == 0 && cred.uid == (uid_t)-1)
		return err_set(e, "SocketFailed",
		    "peer credentials: no peer");
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	return 0;
}
#endif
