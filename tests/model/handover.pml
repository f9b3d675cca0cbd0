/* SPDX-License-Identifier: Apache-2.0 */
/* The step from CATCH-UP to LIVE of one follow (server/fanout/follow.c), with writers on this node
 * and on another, a bus that may lose anything and says so, and looks at the head. Every order of
 * the steps below is tried.
 *
 * A step is what happens under one lock or in one turn of a loop:
 *   this node's writer     commits, then asks the interest and posts to the loop
 *   the other's writer     commits, then publishes
 *   the bus                puts the subscription into effect and tells the gap; loses, delivers
 *   the store              reads a page, or the head, at some moment after it was asked to
 *   the loop               delivers mail in order; takes what was read
 *
 * Checked: what is sent is 1, 2, 3 ... without a hole or a repeat (`given` is the last one sent, and
 * each send asserts that it continues it); and when all is quiet, all of the log was given.
 *
 * ALONE: without another node and without a bus.
 *
 * Planted mistakes, each of which must be found (test_handover.py):
 *   NO_INTEREST_FIRST  the page is read before the interest is told (ALONE: with a bus, the gap
 *                      that is told after subscribing mends it)
 *   NO_GAP             a gap that the bus tells changes nothing
 *   NO_STALE           a page on its way counts although something newer came
 *   NO_SKIP            a batch is sent whole, also what was given before
 */
#define LOCAL 2 /* commits on this node */
#ifdef ALONE
#define REMOTE 0
#else
#define REMOTE 2 /* commits on the other */
#endif
#define EVENTS (LOCAL + REMOTE)

byte head = 0;            /* of the log in the store */
byte given = 0;           /* the last seq sent to the client */
byte known = 0;           /* room->last_seq */
bool is_interested = false;
bool is_subscribed = false; /* in effect at the broker */
bool is_live = false;
bool was_read = false;
bool is_asked = false;      /* a page is on its way */
bool is_page_read = false;
byte page_head;
bool is_suspect = false;
bool is_head_asked = false;
bool is_head_read = false;
byte read_head;
byte writers = 2;

chan mail = [EVENTS * 2] of { byte }; /* to the loop: a seq; 0: a gap */
chan wire = [EVENTS] of { byte };     /* from the other node */

/* The client is sent seq `first` to `last`. */
inline send(first, last)
{
    assert(first == given + 1);
    given = last
}

inline fall_behind()
{
    is_live = false;
    was_read = false
}

inline ask_page()
{
    is_asked = true;
    is_page_read = false
}

/* A turn of the follow: go LIVE, or read a page. The tail is left out: it holds what the log has. */
inline advance()
{
    if
    :: !is_live && !is_asked ->
        if
        :: was_read && given >= known -> is_live = true
        :: else -> ask_page()
        fi
    :: else
    fi
}

/* One event in a batch; batches of several behave as their last one. */
inline take_event(seq)
{
    if
    :: is_live ->
        if
#ifdef NO_SKIP
        :: seq <= given -> send(seq, seq)
#else
        :: seq <= given -> skip
#endif
        :: seq == given + 1 -> send(seq, seq)
        :: seq > given + 1 -> fall_behind()
        fi
    :: else
    fi;
    if
    :: seq > known -> known = seq
    :: else
    fi
}

active proctype local_writer()
{
    byte seq, i = 0;
    do
    :: i < LOCAL ->
        atomic { head++; seq = head }
        atomic {
            if
            :: is_interested -> mail!seq
            :: else
            fi
        }
        i++
    :: else -> break
    od;
    writers--
}

active proctype remote_writer()
{
    byte seq, i = 0;
    do
    :: i < REMOTE ->
        atomic { head++; seq = head }
        atomic {
            if
            :: is_subscribed -> wire!seq
            :: else
            fi
        }
        i++
    :: else -> break
    od;
    writers--
}

#ifndef ALONE
/* What the broker, or the network, does. A loss is told some time later. */
active proctype bus()
{
    byte seq;
    byte losses = 1;
    bool owes_gap = false;
    do
    :: atomic { is_interested && !is_subscribed -> is_subscribed = true; owes_gap = true }
    :: atomic { wire?seq -> mail!seq }
    :: atomic { losses > 0 && nempty(wire) -> wire?seq; losses--; owes_gap = true }
    :: atomic { owes_gap && nfull(mail) -> owes_gap = false; mail!0 }
    :: atomic { writers == 0 && is_subscribed && empty(wire) && !owes_gap -> break }
    od
}
#endif

active proctype store()
{
    do
    :: atomic { is_asked && !is_page_read -> page_head = head; is_page_read = true }
    :: atomic { is_head_asked && !is_head_read -> read_head = head; is_head_read = true }
    :: timeout -> break
    od
}

active proctype loop()
{
    byte seq;
#ifdef NO_INTEREST_FIRST
    atomic { ask_page() }
    atomic { is_interested = true }
#else
    atomic { is_interested = true; ask_page() }
#endif
    do
    :: atomic { mail?seq ->
        if
        :: seq > 0 -> take_event(seq)
#ifdef NO_GAP
        :: else
#else
        :: else -> is_suspect = true
#endif
        fi;
        advance()
       }
    :: atomic { is_suspect && !is_head_asked ->
        is_suspect = false;
        is_head_asked = true;
        is_head_read = false
       }
    :: atomic { is_head_asked && is_head_read ->
        is_head_asked = false;
        if
        :: read_head > known ->
            known = read_head;
            if
            :: is_live && given < read_head -> fall_behind()
            :: else
            fi
        :: else
        fi;
        advance()
       }
    :: atomic { is_asked && is_page_read ->
        is_asked = false;
        if
        :: page_head > given -> send(given + 1, page_head)
        :: else
        fi;
#ifdef NO_STALE
        is_live = true
#else
        was_read = true;
        advance()
#endif
       }
    :: timeout -> break
    od;
    assert(is_live);
    assert(given == head)
}
