/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_CONFIG_TABLE_H
#define PARLEY_CORE_CONFIG_TABLE_H

/* Every setting of parleyd, once. The parsers of file, environment and options, the struct, --help,
 * the sample file and CONFIG.md are all made from this table; to add a setting, add a line here.
 *
 * X(field, KIND, key, default, min, max, unit, flags, sentence)
 *   KIND    STRING, ADDRESS, BOOL, INT, SIZE, DURATION or ENUM
 *   key     "section.name" in the file; "PARLEY_SECTION_NAME"; "--section-name"
 *   default as text, as a user would write it
 *   min,max INT: numbers, SIZE: bytes, DURATION: milliseconds; others: 0, 0
 *   unit    what is counted (INT), or the choices of an ENUM with | between them
 *   flags   CONFIG_RELOAD: SIGHUP takes a new value over; CONFIG_SECRET: masked, and no option of
 *           the command line, which everybody on the machine can read */

#define CONFIG_KIB (INT64_C(1) << 10)
#define CONFIG_MIB (INT64_C(1) << 20)
#define CONFIG_GIB (INT64_C(1) << 30)

#define CONFIG_SECOND INT64_C(1000)
#define CONFIG_HOUR   (3600 * CONFIG_SECOND)

/* clang-format off */
#define CONFIG_TABLE(X)                                                                            \
X(listen, ADDRESS, "listen", "127.0.0.1:7450", 0, 0, "", 0,                                        \
  "Where gRPC is served: a numeric address with a port (0: any free one), or unix:/path.")         \
X(admin, ADDRESS, "admin", "127.0.0.1:7451", 0, 0, "", 0,                                          \
  "Where metrics and probes are served, over plain HTTP.")                                         \
X(data, STRING, "data", "./parley-data", 0, 0, "", 0,                                              \
  "Folder of the embedded store and of the key that signs tokens; made if missing.")               \
X(loops, INT, "loops", "0", 0, 256, "threads", 0,                                                  \
  "Threads that serve connections; 0: one for each core.")                                         \
X(insecure, BOOL, "insecure", "false", 0, 0, "", 0,                                                \
  "Allow addresses beyond this machine without TLS: tokens and messages cross the network "        \
  "in the clear.")                                                                                 \
X(core_dumps, BOOL, "core_dumps", "false", 0, 0, "", 0,                                            \
  "Leave a core dump after a crash, as the system is set up; it holds keys, tokens and messages.")   \
X(tls_cert, STRING, "tls.cert", "", 0, 0, "", CONFIG_RELOAD,                                       \
  "PEM file with the certificate and its chain; turns TLS on. The file is read again on SIGHUP.")  \
X(tls_key, STRING, "tls.key", "", 0, 0, "", CONFIG_RELOAD,                                         \
  "PEM file with the private key of the certificate.")                                             \
X(tls_client_ca, STRING, "tls.client_ca", "", 0, 0, "", CONFIG_RELOAD,                             \
  "PEM file with the authorities whose client certificates are required; empty: none are.")        \
X(auth_key, STRING, "auth.key", "", 0, 0, "", CONFIG_SECRET,                                       \
  "Key that signs tokens, as 64 hexadecimal digits; empty: the file token.key in auth.key_dir.")   \
X(auth_key_dir, STRING, "auth.key_dir", "", 0, 0, "", 0,                                           \
  "Folder with the file token.key; empty: the data folder, where it is made if missing.")          \
X(auth_cache, INT, "auth.cache", "4096", 1, 1000000, "tokens", 0,                                  \
  "Verified tokens that each loop remembers.")                                                     \
X(log_level, ENUM, "log.level", "info", 0, 0, "debug|info|warn|error", CONFIG_RELOAD,              \
  "The least important records that are written.")                                                 \
X(log_format, ENUM, "log.format", "text", 0, 0, "text|json", CONFIG_RELOAD,                        \
  "How records are written to the standard error output, one a line.")                             \
X(limits_connections, INT, "limits.connections", "10000", 1, 1000000, "connections", 0,            \
  "Open gRPC connections; more are closed at once.")                                               \
X(limits_connections_per_address, INT, "limits.connections_per_address", "0", 0, 1000000,          \
  "connections", 0,                                                                                \
  "Open gRPC connections from one IPv4 address or one /64 of IPv6; 0: no limit. Behind a proxy "   \
  "all come from its address.")                                                                    \
X(limits_handshakes, INT, "limits.handshakes", "1000", 1, 1000000, "connections", 0,               \
  "gRPC connections whose TLS handshake is not over; more are closed at once.")                    \
X(limits_accepts_per_second, INT, "limits.accepts_per_second", "0", 0, 1000000, "connections", 0,  \
  "New gRPC connections, over a second; more are closed at once. 0: no limit.")                    \
X(limits_streams, INT, "limits.streams", "1000", 1, 100000, "calls", 0,                            \
  "Calls in progress on one connection.")                                                          \
X(limits_follows, INT, "limits.follows", "1000000", 1, 100000000, "conversations", 0,              \
  "Conversations followed on one loop, over all its Subscribe calls; more are answered "           \
  "RESOURCE_EXHAUSTED.")                                                                           \
X(limits_follows_per_user, INT, "limits.follows_per_user", "100000", 1, 100000000,                 \
  "conversations", 0, "The same of one user.")                                                     \
X(limits_message_bytes, SIZE, "limits.message_bytes", "4M", 128 * CONFIG_KIB, 64 * CONFIG_MIB,     \
  "", 0, "Longest message that a call may receive.")                                               \
X(limits_stream_queue_bytes, SIZE, "limits.stream_queue_bytes", "256k", 16 * CONFIG_KIB,           \
  64 * CONFIG_MIB, "", 0,                                                                          \
  "Bytes that wait for one slow reader before its call is told to stop writing.")                  \
X(limits_admin_connections, INT, "limits.admin_connections", "64", 1, 10000, "connections", 0,     \
  "Open connections of the admin address.")                                                        \
X(connection_keepalive_ms, DURATION, "connection.keepalive_ms", "60s", CONFIG_SECOND,              \
  24 * CONFIG_HOUR, "", 0, "Silence after which a connection is asked whether it still lives.")    \
X(connection_keepalive_timeout_ms, DURATION, "connection.keepalive_timeout_ms", "20s",             \
  100, CONFIG_HOUR, "", 0, "Time to answer that question.")                                        \
X(connection_ping_min_ms, DURATION, "connection.ping_min_ms", "10s", 1, CONFIG_HOUR, "", 0,         \
  "A client that pings more often than this, while nothing is sent to it, is closed with "         \
  "too_many_pings.")                                                                               \
X(connection_compress, BOOL, "connection.compress", "false", 0, 0, "", 0,                           \
  "Answers of half a KiB and more are gzipped for clients that take them so: less network, more "  \
  "processor.")                                                                                    \
X(connection_idle_ms, DURATION, "connection.idle_ms", "15m", CONFIG_SECOND, 720 * CONFIG_HOUR,     \
  "", 0, "A connection without calls is closed politely after so long.")                           \
X(connection_age_ms, DURATION, "connection.age_ms", "0", 0, 720 * CONFIG_HOUR, "", 0,              \
  "Every connection is closed politely after so long, so that load spreads to new nodes; "         \
  "0: never.")                                                                                     \
X(connection_age_grace_ms, DURATION, "connection.age_grace_ms", "0", 0, 720 * CONFIG_HOUR, "", 0,  \
  "What is still open so long after that is cut; 0: never.")                                       \
X(store_engine, ENUM, "store.engine", "sqlite", 0, 0, "sqlite|mysql", 0,                          \
  "Where conversations are kept: embedded in the data folder, for one node; or in MySQL or "      \
  "MariaDB, for any number of nodes.")                                                            \
X(store_shards, INT, "store.shards", "0", 0, 64, "files", 0,                                       \
  "Files of the embedded store, fixed when the folder is made; 0: what the folder has, or 1.")     \
X(store_readers, INT, "store.readers", "2", 1, 64, "threads", 0,                                   \
  "Reading threads of each shard.")                                                                \
X(store_batch_rows, INT, "store.batch_rows", "4096", 1, 100000, "writes", 0,                       \
  "Writes that one transaction takes at most.")                                                    \
X(store_batch_bytes, SIZE, "store.batch_bytes", "8M", 64 * CONFIG_KIB, CONFIG_GIB, "", 0,          \
  "Message bodies that one transaction takes at most.")                                            \
X(store_queue_bytes, SIZE, "store.queue_bytes", "64M", CONFIG_MIB, 64 * CONFIG_GIB, "", 0,         \
  "Requests that wait for one shard; more are answered UNAVAILABLE.")                              \
X(store_retry_ms, DURATION, "store.retry_ms", "100", 1, CONFIG_HOUR, "", 0,                        \
  "When a client should come back that found the queue of a shard full.")                          \
X(store_auto_migrate, BOOL, "store.auto_migrate", "true", 0, 0, "", 0,                             \
  "Apply missing migrations at start; false: refuse to start until `parleyd migrate` ran.")        \
X(mysql_shards, STRING, "mysql.shards", "", 0, 0, "", 0,                                           \
  "The databases, as host:port/database with commas between; their order and number are fixed "   \
  "when they are first used.")                                                                    \
X(mysql_replicas, STRING, "mysql.replicas", "", 0, 0, "", 0,                                       \
  "A replica of each database, in the same order, and - for one that has none: what it has of "    \
  "the history is read from it. The account is the same.")                                         \
X(mysql_credentials, STRING, "mysql.credentials", "", 0, 0, "", 0,                                 \
  "File with the lines \"user = NAME\" and \"password = TEXT\"; read for each new connection, so " \
  "that it can be replaced while the server runs.")                                               \
X(mysql_user, STRING, "mysql.user", "", 0, 0, "", 0,                                               \
  "Account of the databases, if no file is given.")                                               \
X(mysql_password, STRING, "mysql.password", "", 0, 0, "", CONFIG_SECRET,                           \
  "Its password.")                                                                                \
X(mysql_tls, ENUM, "mysql.tls", "off", 0, 0, "off|required|verified", 0,                           \
  "Encrypt connections to the databases; verified: and check that their certificate is valid "    \
  "and names the host.")                                                                          \
X(mysql_tls_ca, STRING, "mysql.tls_ca", "", 0, 0, "", 0,                                           \
  "PEM file with the authorities of these certificates; empty: those of the system.")             \
X(mysql_writers, INT, "mysql.writers", "1", 1, 16, "threads", 0,                                   \
  "Threads that write to each shard, each with transactions of its own.")                         \
X(mysql_connections_min, INT, "mysql.connections_min", "1", 1, 1000, "connections", 0,             \
  "Connections to each shard that are kept open.")                                                \
X(mysql_connections_max, INT, "mysql.connections_max", "0", 0, 1000, "connections", 0,             \
  "Connections to each shard at most; 0: one for each thread that reads or writes.")              \
X(mysql_idle_ms, DURATION, "mysql.idle_ms", "5m", CONFIG_SECOND, 24 * CONFIG_HOUR, "", 0,          \
  "A connection beyond the minimum is closed after so long without use.")                         \
X(mysql_lifetime_ms, DURATION, "mysql.lifetime_ms", "1h", CONFIG_SECOND, 24 * CONFIG_HOUR, "", 0,  \
  "A connection is replaced after so long.")                                                      \
X(mysql_wait_ms, DURATION, "mysql.wait_ms", "1s", 1, CONFIG_HOUR, "", 0,                           \
  "How long a request waits for a free connection before it is answered UNAVAILABLE.")            \
X(mysql_connect_ms, DURATION, "mysql.connect_ms", "2s", CONFIG_SECOND, CONFIG_HOUR, "", 0,         \
  "How long making a connection may take; in whole seconds.")                                     \
X(mysql_deadline_ms, DURATION, "mysql.deadline_ms", "5s", 100, CONFIG_HOUR, "", 0,                 \
  "How long a transaction or a read may take; after that it is killed on the server, and what "   \
  "waits for it is answered UNAVAILABLE.")                                                        \
X(cache_kind, ENUM, "cache.kind", "none", 0, 0, "none|memory|memcached", 0,                        \
  "What keeps recent reads of the store; memory: only right for a node that is alone.")            \
X(cache_servers, STRING, "cache.servers", "127.0.0.1:11211", 0, 0, "", 0,                          \
  "memcached servers, host:port with commas between them; the same text on every node.")           \
X(cache_prefix, STRING, "cache.prefix", "parley", 0, 0, "", 0,                                     \
  "First part of every key: two clusters that share a memcached need two.")                        \
X(cache_memory_bytes, SIZE, "cache.memory_bytes", "64M", CONFIG_MIB, 1024 * CONFIG_GIB, "", 0,     \
  "Room for cache.kind memory.")                                                                   \
X(cache_ttl, DURATION, "cache.ttl", "60s", 100, 24 * CONFIG_HOUR, "", 0,                           \
  "Age of an entry; so long may old state be read when a memcached could not be told of a write.") \
X(cache_timeout_ms, DURATION, "cache.timeout_ms", "50", 1, 10 * CONFIG_SECOND, "", 0,              \
  "Longest wait for a memcached; one that fails is left alone for a second.")                      \
X(retention_days, INT, "retention.days", "0", 0, 36500, "days", 0,                                 \
  "Age at which an event of a conversation is trimmed; 0: none. Its owners may say otherwise.")    \
X(retention_messages, INT, "retention.messages", "0", 0, 1000000000, "messages", 0,                \
  "Messages of a conversation that are kept, the newest; older events are trimmed. 0: all. Its "   \
  "owners may say otherwise.")                                                                     \
X(retention_every_ms, DURATION, "retention.every_ms", "1h", 0, 720 * CONFIG_HOUR, "", 0,           \
  "Pause between two rounds over all conversations, or without such a limit over those whose "     \
  "owners set one: 100ms or more; 0: this node makes none. In a large cluster a few nodes are "    \
  "enough.")                                                                                       \
X(retention_rate, INT, "retention.rate", "2000", 1, 1000000, "events", 0,                          \
  "Events that a node trims in a second, at most.")                                                \
X(bus_kind, ENUM, "bus.kind", "none", 0, 0, "none|nats|rabbitmq", 0,                               \
  "How nodes over one MySQL hear of each other's messages at once; none: every bus.poll_ms.")      \
X(bus_servers, STRING, "bus.servers", "nats://127.0.0.1:4222", 0, 0, "", 0,                        \
  "Brokers, URLs with commas between them: nats://, tls://, amqp:// or amqps://host:port/vhost.")  \
X(bus_credentials, STRING, "bus.credentials", "", 0, 0, "", 0,                                     \
  "File with user:password, a token, or the credentials that NATS calls .creds.")                  \
X(bus_tls_ca, STRING, "bus.tls_ca", "", 0, 0, "", 0,                                               \
  "PEM file with the authorities that the broker's certificate is checked against.")               \
X(bus_tls_cert, STRING, "bus.tls_cert", "", 0, 0, "", 0,                                           \
  "PEM file with this node's certificate, if the broker wants one.")                               \
X(bus_tls_key, STRING, "bus.tls_key", "", 0, 0, "", 0, "PEM file with its private key.")           \
X(bus_name, STRING, "bus.name", "parley", 0, 0, "", 0,                                             \
  "First part of every subject or queue: two clusters that share a broker need two.")              \
X(bus_queue_bytes, SIZE, "bus.queue_bytes", "64M", CONFIG_MIB, 16 * CONFIG_GIB, "", 0,             \
  "Messages that wait for the broker; more are dropped, and other nodes read the store.")          \
X(bus_poll_ms, DURATION, "bus.poll_ms", "1s", 50, CONFIG_HOUR, "", 0,                              \
  "How often MySQL is asked for other nodes' messages while there is no broker.")                  \
X(bus_sweep_ms, DURATION, "bus.sweep_ms", "10s", 50, 24 * CONFIG_HOUR, "", 0,                      \
  "The same while there is one, to find what it lost without a word.")                             \
X(drain_grace_ms, DURATION, "drain.grace_ms", "10s", 0, CONFIG_HOUR, "", CONFIG_RELOAD,            \
  "How long calls may go on after SIGTERM before they end with UNAVAILABLE.")                      \
X(drain_spread_ms, DURATION, "drain.spread_ms", "1s", 0, CONFIG_HOUR, "", 0,                       \
  "Clients are told to go elsewhere, and calls end, one after the other over so long, so that "    \
  "they do not come to the other nodes all at once.")
/* clang-format on */

#endif /* PARLEY_CORE_CONFIG_TABLE_H */
