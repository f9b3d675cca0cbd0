# SPDX-License-Identifier: Apache-2.0
"""Every command of `parley` against a real server: what it prints, its exit codes, its JSON."""
import base64
import json
import os
import socket
import subprocess
import unittest

from cli import (BIN, Cli, DONE, FAILED, PARLEY, REFUSED, UNAUTHENTICATED, UNAVAILABLE, USAGE)

COMMANDS = ("create", "send", "tail", "history", "chat", "list", "members list", "members add",
            "members remove", "leave", "keep")


class Help(Cli):
    def test_every_command_explains_itself_with_examples_and_exit_codes(self):
        for name in COMMANDS:
            with self.subTest(name):
                text = self.parley(*name.split(), "--help", user=None)
                for part in (f"usage: parley {name}", "--json", "examples:\n", "exit codes:\n",
                             "PARLEY_SERVER", "PARLEY_TOKEN_FILE"):
                    self.assertIn(part, text)
                self.assertEqual(text, self.parley("help", *name.split(), user=None))
                self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_the_list_of_commands_names_all(self):
        text = self.parley("help", user=None)
        for name in COMMANDS:
            self.assertIn(f"\n  {name}", text)

    def test_help_json_names_every_key_that_is_printed(self):
        text = self.parley("help", "json", user=None)
        self.parley("create", "keys", "--with", "bob")
        objects = (self.json("create", "keys") + self.json("send", "keys", "x") +
                   self.json("list") + self.json("members", "list", "keys") +
                   self.json("history", "keys") + self.json("members", "add", "keys", "eve") +
                   self.json("tail", "keys", "--count", "1"))
        for each in objects:
            for word in (each["type"], *each):
                self.assertIn(word, text)


class Usage(Cli):
    def test_what_is_wrong_on_the_command_line_is_said_and_ends_with_2(self):
        for arguments, said in (
                ([], "commands:"),
                (["snd"], "there is no command"),
                (["members"], "parley members add"),
                (["send"], "too few arguments"),
                (["history", "a", "b"], '"b" is one argument too many'),
                (["send", "a", "b", "--jsn"], "--jsn is no option"),
                (["send", "a", "b", "-x"], "-x is no option"),
                (["history", "a", "--limit"], "--limit needs a value"),
                (["history", "a", "--limit", "many"], '"many" is no number'),
                (["history", "a", "--limit", "0"], '"0" is no number'),
                (["history", "a", "--limit", "99999999999999999999"], "is no number"),
                (["history", "a", "--from", "-1"], "is no number"),
                (["list", "--timeout", "5 years"], "is no time"),
                (["send", "a", "text", "--lines"], "give no text"),
                (["tail"], "--all"),
                (["members", "add", "a", "b", "--role", "king"], "member or owner")):
            with self.subTest(arguments):
                self.parley(*arguments, code=USAGE)
                self.assertIn(said, self.error)

    def test_limits_of_the_contract_end_with_2_and_name_the_field(self):
        self.parley("create", "limits")
        for arguments, stdin, field in (
                (["send", "no id", "x"], b"", "conversation_id"),
                (["send", "limits"], b"x" * 65537, "body"),
                (["send", "limits"], b"", "body"),
                (["send", "limits", "x", "-m", "no id"], b"", "client_message_id"),
                (["send", "limits"], b"\xff", "body"),
                (["create", "x" * 65], b"", "conversation_id"),
                (["create", "--title", "x" * 257], b"", "title")):
            with self.subTest(arguments):
                self.parley(*arguments, stdin=stdin, code=USAGE)
                self.assertIn(field, self.error)


class Access(Cli):
    def test_without_a_token_it_says_how_to_make_one_and_ends_with_5(self):
        self.parley("list", user=None, code=UNAUTHENTICATED)
        self.assertIn("parleyd token --user NAME --data DIR", self.error)

    def test_tokens_that_do_not_hold_end_with_5(self):
        empty = os.path.join(self.scratch.name, "empty")
        open(empty, "w", encoding="utf-8").close()
        for option in (["--token", "nonsense"], ["--token-file", "/nonexistent"],
                       ["--token-file", empty],
                       ["--token", self.server.token("alice", "--ttl", "1s")[:-4] + "AAAA"]):
            with self.subTest(option):
                self.parley("list", *option, code=UNAUTHENTICATED)

    def test_options_win_over_the_environment(self):
        self.parley("create", "mine", user="carol")
        token = self.server.token("carol")
        self.assertIn("mine", self.parley("list", "--token", token, user="alice"))
        self.assertIn("mine", self.parley("list", user=None, PARLEY_TOKEN=token))
        file = self.environment("carol")["PARLEY_TOKEN_FILE"]
        self.assertIn("mine", self.parley("list", "--token-file", file, user=None,
                                          PARLEY_TOKEN=self.server.token("alice")))
        self.assertIn("mine", self.parley("list", "--server", self.server.address, user="carol",
                                          PARLEY_SERVER="127.0.0.1:1"))

    def test_what_is_not_yours_ends_with_3(self):
        self.parley("create", "private", "--with", "bob")
        for arguments, user in ((["history", "private"], "mallory"), (["tail", "private"], "mallory"),
                                (["chat", "private"], "mallory"), (["send", "private", "x"], "mallory"),
                                (["members", "list", "private"], "mallory"),
                                (["members", "add", "private", "mallory"], "bob"),
                                (["members", "remove", "private", "alice"], "bob"),
                                (["create", "private"], "mallory"), (["history", "nowhere"], "alice")):
            with self.subTest(arguments):
                self.parley(*arguments, user=user, code=REFUSED)

    def test_a_server_that_is_not_there_ends_with_4_soon_and_says_where_it_was_looked_for(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            for command in (["list"], ["create", "a"], ["send", "a", "b"], ["history", "a"],
                            ["tail", "a"], ["chat", "a"], ["tail", "--all"]):
                with self.subTest(command):
                    self.parley(*command, "--server", address, code=UNAVAILABLE)
                    self.assertIn(address, self.error)
                    self.assertIn("refused", self.error)
                    self.assertIn("parleyd serve", self.error)

    def test_a_server_that_does_not_answer_ends_with_4_after_the_timeout(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            for command in (["list"], ["send", "a", "b"], ["tail", "a"], ["history", "a"]):
                with self.subTest(command):
                    self.parley(*command, "--server", address, "--timeout", "300ms",
                                code=UNAVAILABLE)

    def test_what_the_environment_says_to_parley_does_not_disturb_parleyd(self):
        environment = self.environment(PARLEY_TOKEN="x", PARLEY_CA="/nonexistent")
        done = subprocess.run([os.path.join(BIN, "parleyd"), "check-config"], env=environment,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, DONE, done.stderr)

    def test_errors_are_json_too(self):
        self.parley("history", "nowhere", "--json", code=REFUSED)
        error = json.loads(self.error)
        self.assertEqual(error["type"], "error")
        self.assertEqual(error["code"], "NOT_FOUND")
        self.parley("create", "x" * 65, "--json", code=USAGE)
        error = json.loads(self.error)
        self.assertEqual((error["code"], error["field"]), ("INVALID_ARGUMENT", "conversation_id"))


class Conversations(Cli):
    def test_create_prints_the_id_and_is_repeatable(self):
        self.assertEqual(self.parley("create", "c1", "--title", "One"), "c1\n")
        self.assertEqual(self.parley("create", "c1", "--title", "One"), "c1\n")
        self.assertIn("was there before", self.error)
        made = self.parley("create").strip()
        self.assertRegex(made, r"^[A-Za-z0-9._~:-]{1,64}$")
        first, = self.json("create", "c2", "--with", "bob,carol", "--with", "dave")
        again, = self.json("create", "c2")
        self.assertEqual((first["created"], again["created"]), (True, False))
        self.assertEqual((first["member_count"], first["role"], first["head_seq"]), (4, "owner", 1))

    def test_list_shows_the_callers_conversations_in_the_order_of_their_ids(self):
        for name in ("l2", "l1"):
            self.parley("create", name, "--title", f"Title {name}", "--with", "lister")
        listed = self.json("list", user="lister")
        self.assertEqual([c["conversation_id"] for c in listed], ["l1", "l2"])
        self.assertEqual({c["role"] for c in listed}, {"member"})
        lines = self.parley("list", user="lister").splitlines()
        self.assertRegex(lines[0], r"^l1  member +2 members +1 event  Title l1$")

    def test_owners_say_how_much_is_kept(self):
        self.parley("create", "k", "--with", "keeper")

        def shown():
            listed, = self.json("list", user="keeper")
            return [listed.get("keep_days"), listed.get("keep_messages")]

        self.assertEqual(shown(), [None, None])
        for options, limits in ((["--days", "30"], [30, 0]),
                                (["--messages", "7", "--forever"], [-1, 7]),
                                (["--forever"], [-1, -1])):
            kept, = self.json("keep", "k", *options)
            self.assertEqual([kept["type"], kept["days"], kept["messages"]], ["kept", *limits])
            self.assertEqual(shown(), limits)
        for options in ([], ["--days", "36501"], ["--forever", "--default"]):
            self.parley("keep", "k", *options, code=USAGE)
        self.parley("keep", "k", "--default", user="keeper", code=REFUSED)
        self.assertEqual(shown(), [-1, -1])
        self.assertEqual(self.parley("keep", "k", "--default"), "")
        self.assertEqual(shown(), [None, None])

    def test_members_come_and_go(self):
        self.parley("create", "m", "--with", "bob")
        self.assertEqual(self.json("members", "add", "m", "carol", "dave")[0]["seq"], 2)
        self.parley("members", "add", "m", "erin", "--role", "owner")
        self.assertEqual(self.parley("members", "remove", "m", "bob", "nobody"), "")
        self.parley("leave", "m", user="carol")
        self.assertEqual(self.json("leave", "m", user="carol")[0]["type"], "changed")
        self.assertEqual({m["user_id"]: m["role"] for m in self.json("members", "list", "m")},
                         {"alice": "owner", "dave": "member", "erin": "owner"})
        self.assertIn("owner   erin\n", self.parley("members", "list", "m"))
        self.assertEqual([(e["action"], e["user_ids"]) for e in self.json("history", "m")][1:],
                         [("added", ["carol", "dave"]), ("added", ["erin"]),
                          ("removed", ["bob"]), ("left", ["carol"])])
        text = self.parley("history", "m")
        for part in ("* added carol, dave", "* added as owner erin", "* removed bob",
                     "carol  * left the conversation"):
            self.assertIn(part, text)


class Sending(Cli):
    def bodies(self, name):
        return [e["body"] for e in self.json("history", name) if e["type"] == "message"]

    def test_send_prints_the_seq_of_what_is_now_in_the_log(self):
        self.parley("create", "s")
        self.assertEqual(self.parley("send", "s", "Hello,", "world"), "2\n")
        self.assertEqual(self.parley("send", "s", stdin="grüße\nzwei\n".encode()), "3\n")
        self.assertEqual(self.bodies("s"), ["Hello, world", "grüße\nzwei"])
        sent, = self.json("send", "s", "x")
        event = self.json("history", "s")[-1]
        for key in ("seq", "created_at_ms", "client_message_id", "conversation_id"):
            self.assertEqual(sent[key], event[key])

    def test_the_same_message_id_gives_the_same_seq_and_stores_nothing_new(self):
        self.parley("create", "once")
        first = self.json("send", "once", "paid", "--message-id", "order-1")
        again = self.json("send", "once", "paid", "--message-id", "order-1")
        self.assertEqual(first, again)
        self.assertEqual(self.parley("send", "once", "paid", "-m", "order-2"), "3\n")
        self.assertEqual(len(self.bodies("once")), 2)

    def test_lines_are_sent_in_order_each_as_a_message(self):
        self.parley("create", "lines")
        lines = [f"line {i} é" for i in range(3000)]
        stdin = "\n\n".join(lines).encode()
        self.assertEqual(self.parley("send", "lines", "--lines", stdin=stdin),
                         "".join(f"{i + 2}\n" for i in range(3000)))
        events = self.json("history", "lines", "--limit", "5000")
        self.assertEqual([e["body"] for e in events if e["type"] == "message"], lines)

    def test_lines_with_a_message_id_can_be_sent_again_after_a_broken_run(self):
        self.parley("create", "import")
        self.parley("send", "import", "--lines", "-m", "batch", stdin=b"a\nb\n")
        self.assertEqual(self.parley("send", "import", "--lines", "-m", "batch",
                                     stdin=b"a\r\nb\nc\n"), "2\n3\n4\n")
        self.assertEqual(self.bodies("import"), ["a", "b", "c"])

    def test_a_line_that_is_too_long_fails_and_ends_the_run(self):
        self.parley("create", "long")
        self.parley("send", "long", "--lines", stdin=b"ok\n" + b"x" * 70000 + b"\nnot sent\n",
                    code=USAGE)
        self.assertEqual(self.bodies("long"), ["ok"])

    def test_a_body_that_is_no_text_comes_back_byte_for_byte(self):
        self.parley("create", "bytes")
        body = bytes(range(256)) + b"\n"
        self.parley("send", "bytes", "--content-type", "image/png", stdin=body)
        event = self.json("history", "bytes")[-1]
        self.assertNotIn("body", event)
        self.assertEqual(base64.b64decode(event["body_base64"]), body)
        self.assertEqual(event["content_type"], "image/png")
        self.assertIn("[image/png, 257 bytes]", self.parley("history", "bytes"))

    def test_base64_of_every_length_decodes(self):
        self.parley("create", "b64")
        for length in range(1, 8):
            body = b"\xff" * length
            self.parley("send", "b64", "-c", "application/x", stdin=body)
            self.assertEqual(base64.b64decode(self.json("history", "b64")[-1]["body_base64"]), body)

    def test_text_of_others_cannot_control_the_terminal(self):
        self.parley("create", "evil")
        self.parley("send", "evil", stdin="\x1b]0;owned\x07\x9b31m\u202ered\x7f\r\nnext\u2028x".encode())
        text = self.parley("history", "evil").splitlines()
        self.assertTrue(text[1].endswith(r"alice  ^[]0;owned^G\u009b31m\u202ered^?^M"), text)
        self.assertTrue(text[2].endswith(r"   next\u2028x"), text)
        self.assertEqual(len(text), 3)


class Reading(Cli):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        reading = cls()
        reading.parley("create", "log")
        reading.parley("send", "log", "--lines", stdin="\n".join(map(str, range(2, 251))).encode())

    def runTest(self):
        """For setUpClass, which needs an instance."""

    def seqs(self, *options):
        return [e["seq"] for e in self.json("history", "log", *options)]

    def test_history_reads_both_ways_from_anywhere(self):
        for options, wanted in (([], range(1, 101)), (["-n", "3"], range(1, 4)),
                                (["--from", "249"], range(249, 251)),
                                (["--from", "251"], ()),
                                (["--backwards", "-n", "3"], range(250, 247, -1)),
                                (["--backwards", "--from", "3"], range(3, 0, -1)),
                                (["--limit", "20000"], range(1, 251))):
            with self.subTest(options):
                self.assertEqual(self.seqs(*options), list(wanted))

    def test_columns_are_aligned(self):
        lines = self.parley("history", "log", "--from", "99", "--limit", "2").splitlines()
        self.assertRegex(lines[0], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +99  alice  99$")
        self.assertEqual(len(lines[0]) + 1, len(lines[1]))

    def test_a_full_disk_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PARLEY, "history", "log"], stdout=full, stderr=subprocess.PIPE,
                                  env=self.environment(), check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"cannot write", done.stderr)

    def test_tail_begins_where_it_is_told(self):
        for options, first in (([], 241), (["--last", "3"], 248), (["--from", "5"], 5)):
            with self.subTest(options):
                events = self.json("tail", "log", *options, "--count", "3")
                self.assertEqual([e["seq"] for e in events], [first, first + 1, first + 2])
        self.assertEqual(self.parley("tail", "log", "--count", "2").count("\n"), 2)


if __name__ == "__main__":
    unittest.main()
