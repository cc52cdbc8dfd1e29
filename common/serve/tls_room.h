/* The storage of TLS connections, which whoever has such a server provides. */
#ifndef POD_IDENTITY_SERVE_TLS_ROOM_H
#define POD_IDENTITY_SERVE_TLS_ROOM_H

/* What one connection needs while it is there. Only what it uses of it is ever touched; wiped behind it. */
#define TLS_SERVER_ROOM 32768
struct tls_room {
    _Alignas(4096) unsigned char bytes[TLS_SERVER_ROOM];
};

#endif
