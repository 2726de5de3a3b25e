/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk on a host, with what is needed to come back to it: the file it is, and the session that
 * gives the tickets for it. Over the NFC client's disk it tells what only the inventory knows, and
 * has a map also where the host tells none.
 */
#ifndef VD_TRANSPORT_REMOTE_DISK_H
#define VD_TRANSPORT_REMOTE_DISK_H

#include "transport/transport.h"

VD_MUST_CHECK int vd_remote_disk_open(const struct vd_transport_request *request, bool ssl,
                                      struct vd_disk **ret, struct vd_error *err);

#endif
