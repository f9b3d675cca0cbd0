/* SPDX-License-Identifier: Apache-2.0 */
/* The move of a bucket from one shard (S) to another (T) while two nodes write and read
 * (storage/mysql: move.c moves, map.c and writer.c and reader.c obey). The bucket has one
 * conversation, of which only the last seq is kept. Every order of the steps below is tried.
 *
 * A step is what one statement or one transaction does at one database:
 *   a writer    takes the shared lock of the epoch and reads it; commits, which lets go of the lock
 *   a reader    reads the conversation and the epoch in one statement
 *   a node      reads what a shard says of the bucket, because the epoch is another than the one it
 *               knows, or for the sake of another bucket
 *   the mover   changes a shard's row and raises its epoch, for which it waits until nobody has the
 *               shared lock; copies what is committed. It may be killed after each step, and starts
 *               again from what the rows say
 *   time        a fence that was left alone lapses
 * The rows of S are removed later than any read may last: that is time, and not modelled.
 *
 * READING: the second node reads instead of writing.
 *
 * Checked: each write gets the seq after all that were committed before it, wherever it goes; a read
 * shows all that was committed before it began; in the end T has everything.
 *
 * Planted mistakes, each of which must be found (test_move.py):
 *   NO_WAIT         the fence does not wait for transactions that have begun
 *   NO_EPOCH        a writer goes by the map it knows
 *   NO_EPOCH_READ   a reader does
 *   NO_LAST_COPY    nothing is copied under the fence
 *   NO_LAPSE_CHECK  the source gives the bucket away although the fence has lapsed
 *   TARGET_FIRST    the target serves before the source has given the bucket away
 */
#define NODES  2
#define WRITES 2 /* of each node that writes */
#define READS  2 /* of each node that reads */
#define KILLS  1
#define LAPSES 1

mtype = { UNMOVED, SERVING, FENCED, LEFT, ARRIVING };

/* The databases. */
byte head_s = 0, head_t = 0;
mtype is_s = SERVING, is_t = UNMOVED;
byte epoch_s = 1, epoch_t = 1;
byte locks_s = 0, locks_t = 0;     /* transactions that hold the epoch's shared lock */
bool row_s = false, row_t = false; /* the conversation is locked */

/* What the nodes know. */
byte knows_epoch_s[NODES], knows_epoch_t[NODES];
mtype knows_s[NODES] = SERVING;
mtype knows_t[NODES] = UNMOVED;

byte committed = 0; /* the seq that was given last */
byte writers = 0;
bool is_moved = false;

inline learn_s(n)
{
    knows_epoch_s[n] = epoch_s;
    knows_s[n] = is_s
}

inline learn_t(n)
{
    knows_epoch_t[n] = epoch_t;
    knows_t[n] = is_t
}

/* Where node n sends a request. */
#define goes_to_t(n) (knows_s[n] == LEFT || knows_t[n] == SERVING)
/* Whether it believes that this shard serves it there. What is arriving is there once S says so. */
#define writes_at_s(n) (knows_s[n] == SERVING)
#define reads_at_s(n)  (knows_s[n] == SERVING || knows_s[n] == FENCED)
#define serves_at_t(n) (knows_t[n] == SERVING || (knows_t[n] == ARRIVING && knows_s[n] == LEFT))

proctype writer(byte n)
{
    byte i = 0;
    do
    :: i < WRITES ->
        if
        :: atomic { !goes_to_t(n) && !row_s ->
            locks_s++;
            row_s = true;
#ifndef NO_EPOCH
            if
            :: knows_epoch_s[n] != epoch_s -> learn_s(n)
            :: else
            fi
#endif
           }
           if
           :: atomic { writes_at_s(n) ->
               assert(head_s == committed);
               head_s++;
               committed++;
               i++
              }
           :: else
           fi;
           atomic { locks_s--; row_s = false }
        :: atomic { goes_to_t(n) && !row_t ->
            locks_t++;
            row_t = true;
            if
            :: knows_epoch_t[n] != epoch_t -> learn_t(n)
            :: else
            fi
           }
           if
           :: atomic { serves_at_t(n) ->
               assert(head_t == committed);
               head_t++;
               committed++;
               i++
              }
           :: else
           fi;
           atomic { locks_t--; row_t = false }
        fi
    :: else -> break
    od;
    writers--
}

#ifdef READING
/* A read that is refused is asked again, as its client or its node does. */
proctype reader(byte n)
{
    byte i = 0, before, seen, epoch;
    bool is_at_t;
    do
    :: i < READS ->
        atomic { before = committed; is_at_t = goes_to_t(n) }
        if
        :: atomic { is_at_t -> seen = head_t; epoch = epoch_t }
           if
           :: atomic { epoch == knows_epoch_t[n] && serves_at_t(n) ->
               assert(seen >= before);
               i++
              }
           :: atomic { epoch == knows_epoch_t[n] && !serves_at_t(n) -> skip }
           :: atomic { epoch != knows_epoch_t[n] -> learn_t(n) }
           fi
        :: atomic { !is_at_t -> seen = head_s; epoch = epoch_s }
           if
#ifdef NO_EPOCH_READ
           :: atomic { reads_at_s(n) ->
               assert(seen >= before);
               i++
              }
           :: atomic { !reads_at_s(n) -> skip }
#else
           :: atomic { epoch == knows_epoch_s[n] && reads_at_s(n) ->
               assert(seen >= before);
               i++
              }
           :: atomic { epoch == knows_epoch_s[n] && !reads_at_s(n) -> skip }
           :: atomic { epoch != knows_epoch_s[n] -> learn_s(n) }
#endif
           fi
        fi
    :: else -> break
    od
}

#endif

/* Other buckets let a node hear of what happens to this one. */
proctype gossip(byte n)
{
    do
    :: atomic { knows_epoch_t[n] != epoch_t -> learn_t(n) }
    :: is_moved -> break
    od
}

active proctype clock()
{
    byte lapses = 0;
    do
    :: atomic { is_s == FENCED && locks_s == 0 && lapses < LAPSES ->
        is_s = SERVING;
        epoch_s++;
        lapses++
       }
    :: is_moved -> break
    od
}

active proctype mover()
{
    byte kills = 0;
again:
    if
    :: atomic { is_s == LEFT -> skip } goto left
    :: atomic { is_s == FENCED && locks_s == 0 -> is_s = SERVING; epoch_s++ }
    :: atomic { is_s == SERVING -> skip }
    fi;
    if
    :: atomic { is_t == UNMOVED && locks_t == 0 -> is_t = ARRIVING; epoch_t++ }
    :: atomic { is_t != UNMOVED -> skip }
    fi;
    if
    :: kills < KILLS -> kills++; goto again
    :: atomic { head_t = head_s }
    fi;
    if
    :: kills < KILLS -> kills++; goto again
#ifdef NO_WAIT
    :: atomic { is_s == SERVING -> is_s = FENCED; epoch_s++ }
#else
    :: atomic { is_s == SERVING && locks_s == 0 -> is_s = FENCED; epoch_s++ }
#endif
    fi;
    if
    :: kills < KILLS -> kills++; goto again
#ifdef NO_LAST_COPY
    :: skip
#else
    :: atomic { head_t = head_s }
#endif
    fi;
#ifdef TARGET_FIRST
    atomic { locks_t == 0 -> is_t = SERVING; epoch_t++ }
#endif
    if
    :: kills < KILLS -> kills++; goto again
#ifdef NO_LAPSE_CHECK
    :: atomic { locks_s == 0 -> is_s = LEFT; epoch_s++ }
#else
    :: atomic { is_s == FENCED && locks_s == 0 -> is_s = LEFT; epoch_s++ }
    :: atomic { is_s != FENCED -> skip } goto again
#endif
    fi;
left:
    if
    :: kills < KILLS -> kills++; goto again
    :: atomic { is_t != SERVING && locks_t == 0 -> is_t = SERVING; epoch_t++ }
    :: atomic { is_t == SERVING -> skip }
    fi;
    is_moved = true;
    (writers == 0);
    assert(head_t == committed)
}

init
{
    atomic {
        byte n = 0;
        do
        :: n < NODES ->
            knows_epoch_s[n] = 1;
            knows_epoch_t[n] = 1;
            run gossip(n);
            n++
        :: else -> break
        od;
        writers++;
        run writer(0);
#ifdef READING
        run reader(1)
#else
        writers++;
        run writer(1)
#endif
    }
}
