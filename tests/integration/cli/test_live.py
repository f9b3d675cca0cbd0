# SPDX-License-Identifier: Apache-2.0
"""The commands that run on: tail and chat, over lost connections, signals and closed pipes; and the
line that is being typed while others speak."""
import json
import signal
import subprocess
import termios
import time
import unittest

from cli import Cli, DONE, FAILED, PARLEY, REFUSED, UNAVAILABLE, USAGE, wait_for
from terminal import Terminal


class Tail(Cli):
    def test_it_prints_what_happens_until_ctrl_c_and_ends_with_0(self):
        self.parley("create", "live", "--with", "bob")
        tail = self.start("tail", "live", "--json", user="bob")
        self.assertEqual(json.loads(tail.stdout.readline())["action"], "created")
        self.assertEqual(json.loads(tail.stdout.readline())["type"], "caught_up")
        self.parley("send", "live", "now")
        self.assertEqual(json.loads(tail.stdout.readline())["body"], "now")
        tail.send_signal(signal.SIGINT)
        self.assertEqual(tail.communicate(timeout=20), ("", ""))
        self.assertEqual(tail.returncode, DONE)

    def test_sigterm_ends_it_too(self):
        self.parley("create", "term")
        tail = self.start("tail", "term")
        self.assertIn("created", tail.stdout.readline())
        tail.send_signal(signal.SIGTERM)
        self.assertEqual(tail.wait(20), DONE)

    def test_it_ends_at_once_when_nobody_reads_it_any_more(self):
        self.parley("create", "pipe")
        tail = self.start("tail", "pipe")
        self.assertIn("created", tail.stdout.readline())
        tail.stdout.close()
        self.assertEqual(tail.wait(20), DONE)
        self.assertEqual(tail.stderr.read(), "")

    def test_all_follows_every_conversation_also_new_ones(self):
        self.parley("create", "all-1", "--with", "gil")
        tail = self.start("tail", "--all", "--json", user="gil")
        begun = json.loads(tail.stdout.readline())
        self.assertEqual((begun["type"], begun["conversation_id"]), ("caught_up", "all-1"))
        self.parley("send", "all-1", "heard")
        self.assertEqual(json.loads(tail.stdout.readline())["body"], "heard")
        self.parley("create", "all-2", "--with", "gil")
        created = json.loads(tail.stdout.readline())
        while created["type"] != "membership":
            created = json.loads(tail.stdout.readline())
        self.assertEqual((created["conversation_id"], created["action"]), ("all-2", "created"))

    def test_several_conversations_are_told_apart(self):
        for name in ("two-a", "two-b"):
            self.parley("create", name)
        text = self.parley("tail", "two-a", "two-b", "--count", "2")
        self.assertEqual({line.split()[2] for line in text.splitlines()}, {"two-a", "two-b"})

    def test_being_removed_is_said(self):
        self.parley("create", "out", "--with", "hal")
        tail = self.start("tail", "out", "--json", user="hal")
        while json.loads(tail.stdout.readline())["type"] != "caught_up":
            pass
        self.parley("members", "remove", "out", "hal")
        types = [json.loads(tail.stdout.readline())["type"]]
        while types[-1] != "removed":
            types.append(json.loads(tail.stdout.readline())["type"])
        self.parley("tail", "out", user="hal", code=REFUSED)

    def test_a_place_beyond_the_end_of_the_log_is_refused(self):
        self.parley("create", "short")
        self.parley("tail", "short", "--from", "1000", code=USAGE)
        self.assertIn("beyond the last event", self.error)


class Restart(Cli):
    def setUp(self):
        if self.server.process.poll() is not None:
            self.server.start()

    def test_tail_and_send_go_on_over_a_power_cut_of_the_server(self):
        self.parley("create", "cut")
        tail = self.start("tail", "cut", "--from", "1")
        lines = self.start("send", "cut", "--lines", stdin=subprocess.PIPE)
        lines.stdin.write("before\n")
        lines.stdin.flush()
        self.assertEqual(lines.stdout.readline(), "2\n")
        self.assertIn("created", tail.stdout.readline())
        self.assertIn("before", tail.stdout.readline())
        self.server.kill()
        self.assertIn("parley tail: the connection broke", tail.stderr.readline())
        lines.stdin.write("during\n")
        lines.stdin.flush()
        self.server.start()
        self.assertEqual(lines.stdout.readline(), "3\n")
        self.assertIn("during", tail.stdout.readline())
        self.assertIn("connected again", tail.stderr.readline())
        self.parley("send", "cut", "after")
        self.assertIn("after", tail.stdout.readline())
        lines.stdin.close()
        self.assertEqual(lines.wait(20), DONE)
        self.assertEqual(len(self.json("history", "cut")), 4)

    def test_chat_says_that_the_server_is_gone_and_keeps_what_is_typed(self):
        self.parley("create", "gone")
        chat = Terminal([PARLEY, "chat", "gone"], self.environment())
        self.addCleanup(chat.close)
        chat.wait_for_line("* created the conversation with alice")
        chat.type("half a sen")
        chat.wait_for_last("gone> half a sen")
        self.server.kill()
        chat.wait_for(lambda lines: "the connection broke" in lines[-2], "the notice")
        chat.wait_for_last("gone> half a sen")
        chat.type("tence\r")
        chat.wait_for_last("gone>")
        self.server.start()
        chat.wait_for_line("alice  half a sentence")
        chat.type("\x04")
        self.assertEqual(chat.leave(), DONE)
        self.assertIn("connected again", chat.screen.text())

    def test_chat_takes_no_more_of_a_pipe_than_waits_for_answers(self):
        self.parley("create", "flood")
        chat = self.start("chat", "flood", "--timeout", "500ms", stdin=subprocess.PIPE)
        self.assertIn("created", chat.stdout.readline())
        self.server.kill()
        self.addCleanup(self.server.start)
        begun = time.monotonic()
        _, said = chat.communicate("x\n" * (4 * 1024 + 1), timeout=60)
        # Each 1024 of them wait until those before were given up.
        self.assertGreater(time.monotonic() - begun, 2.4)
        self.assertEqual(said.count("not acknowledged"), 4 * 1024 + 1)
        self.assertEqual(chat.returncode, UNAVAILABLE)

    def test_chat_says_which_messages_were_given_up_and_goes_on(self):
        self.parley("create", "late")
        chat = Terminal([PARLEY, "chat", "late", "--timeout", "500ms"], self.environment())
        self.addCleanup(chat.close)
        chat.wait_for_line("* created the conversation with alice")
        self.server.kill()
        chat.type("lost\r")
        chat.wait_for(lambda lines: any("* not sent: " in line for line in lines), "the failure")
        self.server.start()
        chat.wait_for_line("nothing was missed")
        chat.type("not lost\r")
        chat.wait_for_line("alice  not lost")


class Typing(Cli):
    def test_a_message_typed_into_send_is_not_sent_when_it_is_interrupted(self):
        self.parley("create", "typed")
        for end, code in (("\x03", FAILED), ("\n\x04", DONE)):
            with self.subTest(code):
                send = Terminal([PARLEY, "send", "typed"], self.environment())
                self.addCleanup(send.close)
                send.wait_for_line("Ctrl-D on a line of its own ends it")
                send.type("first\nsecond" + end)
                self.assertEqual(send.leave(), code)
        self.assertEqual([e["body"] for e in self.json("history", "typed", "--from", "2")],
                         ["first\nsecond"])


class Chat(Cli):
    def chat(self, name, user="alice", **options):
        terminal = Terminal([PARLEY, "chat", name], self.environment(user), **options)
        self.addCleanup(terminal.close)
        terminal.wait_for_last(f"{name}>")
        return terminal

    def test_a_line_that_comes_in_does_not_disturb_the_one_being_typed(self):
        self.parley("create", "talk", "--with", "bob")
        alice = self.chat("talk")
        alice.wait_for_line("* created the conversation with alice, bob")
        alice.type("Hi Bob, how ")
        alice.wait_for_last("talk> Hi Bob, how")
        self.parley("send", "talk", "Anybody here?", user="bob")
        alice.wait_for_line("bob    Anybody here?")
        alice.wait_for_last("talk> Hi Bob, how")
        alice.type("are you?\r")
        alice.wait_for_line("alice  Hi Bob, how are you?")
        alice.wait_for_last("talk>")
        # The screen holds the log, the prompt, and nothing else.
        self.assertEqual([line[7:] for line in alice.screen.lines()[:-1]],
                         ["alice  * created the conversation with alice, bob",
                          "bob    Anybody here?", "alice  Hi Bob, how are you?"])
        self.assertEqual(self.json("history", "talk")[-1]["body"], "Hi Bob, how are you?")
        alice.type("\x04")
        self.assertEqual(alice.leave(), DONE)

    def test_the_cursor_may_be_in_the_middle_of_the_line(self):
        self.parley("create", "middle", "--with", "bob")
        alice = self.chat("middle")
        alice.type("Hello rld\x1b[D\x1b[D\x1b[D")
        alice.wait_for(lambda lines: lines[-1] == "middle> Hello rld" and
                       alice.screen.column == len("middle> Hello "), "the cursor to move")
        self.parley("send", "middle", "one", user="bob")
        alice.wait_for_line("bob    one")
        alice.wait_for_last("middle> Hello rld")
        alice.type("wo\r")
        alice.wait_for_line("alice  Hello world")

    def test_a_line_longer_than_the_screen_is_kept_too(self):
        self.parley("create", "wide", "--with", "bob")
        alice = self.chat("wide", columns=40)
        text = "".join(f"{i:03} " for i in range(25))
        alice.type(text)
        alice.wait_for(lambda lines: lines[-1].endswith("023 024"), "the third row")
        for i in range(3):
            self.parley("send", "wide", f"news {i}", user="bob")
            alice.wait_for_line(f"bob    news {i}")
            alice.wait_for(lambda lines: lines[-3].startswith("wide> 000 ") and
                           lines[-1].endswith("023 024"), "the line below the news")
        alice.type("end\r")
        wait_for(lambda: self.json("history", "wide")[-1].get("body") == text + "end", "the text")
        alice.wait_for_last("wide>")
        self.assertEqual(sum("000 001" in line for line in alice.screen.lines()), 1)

    def test_what_is_not_ascii_can_be_typed_and_is_kept(self):
        self.parley("create", "utf8", "--with", "bob")
        for locale in ("C.UTF-8", "C"):
            with self.subTest(locale):
                alice = Terminal([PARLEY, "chat", "utf8"], self.environment(LC_ALL=locale))
                self.addCleanup(alice.close)
                alice.wait_for_last("utf8>")
                alice.type("Grüße ")
                alice.wait_for_last("utf8> Grüße")
                self.parley("send", "utf8", f"é {locale}", user="bob")
                alice.wait_for_line(f"é {locale}")
                alice.wait_for_last("utf8> Grüße")
                alice.type("→ dir\r")
                alice.wait_for_line("alice  Grüße → dir")
                alice.type("\x04")
                self.assertEqual(alice.leave(), DONE)

    def test_text_of_others_cannot_control_the_terminal(self):
        self.parley("create", "esc", "--with", "bob")
        alice = self.chat("esc")
        self.parley("send", "esc", stdin=b"\x1b[2J\x1b[H\x07gone?", user="bob")
        alice.wait_for_line("bob    ^[[2J^[[H^Ggone?")
        alice.wait_for_last("esc>")

    def test_the_arrow_key_brings_back_what_was_said(self):
        self.parley("create", "up")
        alice = self.chat("up")
        alice.type("again\r")
        alice.wait_for_line("alice  again")
        alice.wait_for_last("up>")
        alice.type("\x1b[A")
        alice.wait_for_last("up> again")
        alice.type("\r")
        alice.wait_for(lambda lines: sum(l.endswith("alice  again") for l in lines) == 2, "the second")

    def test_commands_begin_with_a_slash(self):
        self.parley("create", "slash")
        alice = self.chat("slash")
        alice.type("/help\r")
        alice.wait_for_line("a slash is typed with two.")
        alice.type("//me waves\r")
        alice.wait_for_line("alice  /me waves")
        alice.type("/quit\r")
        self.assertEqual(alice.leave(), DONE)

    def test_ctrl_c_leaves_and_the_terminal_is_as_before(self):
        self.parley("create", "ctrl")
        alice = self.chat("ctrl")
        typing = termios.tcgetattr(alice.main)
        alice.type("never sent\x03")
        self.assertEqual(alice.leave(), DONE)
        self.assertNotEqual(typing[3] & termios.ICANON, termios.ICANON)
        self.assertEqual(termios.tcgetattr(alice.main)[3] & termios.ICANON, termios.ICANON)
        self.assertEqual(len(self.json("history", "ctrl")), 1)

    def test_it_goes_on_after_being_stopped_and_after_a_change_of_size(self):
        self.parley("create", "stop", "--with", "bob")
        alice = self.chat("stop")
        alice.type("half")
        alice.wait_for_last("stop> half")
        alice.process.send_signal(signal.SIGSTOP)
        self.parley("send", "stop", "meanwhile", user="bob")
        alice.process.send_signal(signal.SIGCONT)
        alice.wait_for_line("bob    meanwhile")
        alice.resize(60, 20)
        alice.process.send_signal(signal.SIGWINCH)
        alice.type(" done\r")
        alice.wait_for_line("alice  half done")

    def test_who_is_removed_is_told_and_leaves(self):
        self.parley("create", "kick", "--with", "bob")
        bob = self.chat("kick", user="bob")
        bob.type("I think ")
        bob.wait_for_last("kick> I think")
        self.parley("members", "remove", "kick", "bob")
        self.assertEqual(bob.leave(), REFUSED)
        self.assertEqual(bob.screen.lines()[-4:],
                         [bob.screen.lines()[-4], "* kick: you are no longer a member",
                          "kick> I think", ""])

    def test_on_a_pipe_each_line_is_a_message_and_the_end_leaves(self):
        self.parley("create", "bot")
        text = self.parley("chat", "bot", stdin=b"one\n\n/two\nthree")
        self.assertEqual([line.split("  ", 1)[1] for line in text.splitlines()],
                         ["alice  * created the conversation with alice", "alice  one",
                          "alice  /two", "alice  three"])
        events = self.json("chat", "bot", "--last", "1", stdin=b"four\n")
        self.assertEqual([e["body"] for e in events if e["type"] == "message"], ["three", "four"])
        self.parley("chat", "bot", stdin=b"x" * 70000, code=USAGE)


if __name__ == "__main__":
    unittest.main()
