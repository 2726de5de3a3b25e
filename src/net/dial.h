/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a connected socket, in bounded time. */
#ifndef VD_NET_DIAL_H
#define VD_NET_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/stop.h"

struct addrinfo;

/* Tries every address of the name, in the system's order, within `ms` altogether. */
VD_MUST_CHECK int vd_dial(const char *host, uint16_t port, uint32_t ms,
                          const struct vd_net_stop *stop, int *ret_fd, struct vd_error *err);
/* The addresses of a name, to be given to freeaddrinfo. */
VD_MUST_CHECK int vd_dial_look_up(const char *host, uint16_t port, uint32_t ms,
                                  const struct vd_net_stop *stop, struct addrinfo **ret,
                                  struct vd_error *err);
/* "address:port" of who is at the other end; "the peer" where the socket has none. */
void vd_dial_peer_name(int fd, char *text, size_t size);
/* Is it an IPv4 or IPv6 address rather than a name? */
bool vd_dial_is_address(const char *host);

#endif
