/* One WebSocket of the load: connect, upgrade, send masked text, read frames.
 *
 * It does as little per frame as it can, so that the server under test is what
 * is measured: no copy of a payload, no JSON parser, one write a message.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind { WELCOME, MEMBER_LIST, MEMBER_JOINED, MEMBER_LEFT, PONG, OTHER, KINDS };

/* How messages travel: plain WebSocket text, or Socket.IO's events. */
enum dialect { PLAIN, SOCKET_IO };

/* Of a frame that is not whole yet, this much is kept: its head, and enough of
 * the payload to tell what it is. The rest is counted and let go. */
enum { KEPT_BYTES = 128 };

struct connection {
    int fd;
    uint32_t number;     /* which member it is, from 0 */
    bool upgraded;
    bool joined;
    uint32_t in_flight;  /* pings without their pong */
    uint64_t started_ns; /* connect() */
    uint64_t asked_ns;   /* the ping before the pong that is due */
    uint64_t skip;       /* payload bytes of the frame that are still to come */
    uint32_t kept;
    uint8_t head[KEPT_BYTES];
};

/* What a workload wants to hear; set before the first connection. */
struct listener {
    void (*upgraded)(struct connection *); /* it may send its JOIN */
    void (*message)(struct connection *, enum kind);
};

void network_start(uint16_t port, enum dialect dialect, struct listener listener);
void connection_open(struct connection *connection);
void connection_drop(struct connection *connection); /* a reset, no close frame */
void connection_send(struct connection *connection, const char *text, size_t size);
size_t frame_message(uint8_t *frame, const char *text, size_t size);
void connection_write(struct connection *connection, const uint8_t *frames, size_t size);

/* Wait for what comes, until `until_ns` at the latest, and hand it on.
 *
 * It waits awake. Asleep, it would have to be woken by whoever sends, and in a
 * virtual machine that costs the server under test more than sending does: the
 * slower a server, the more, since the load sleeps more often then. */
void network_turn(uint64_t until_ns);

/* How long it has waited in vain so far. */
uint64_t network_idle_ns(void);

uint64_t now_ns(void);
void fail(const char *what) __attribute__((noreturn));

#endif
