# SPDX-License-Identifier: Apache-2.0
"""parleyd as its operator types it: help, settings and what is refused."""
import base64
import json
import os
import re
import stat
import time
import unittest

from daemon import DONE, FAILED, ROOT, USAGE, Daemon


def settings():
    """Key and default of every setting, from the manual."""
    with open(os.path.join(ROOT, "server", "CONFIG.md"), encoding="utf-8") as file:
        return re.findall(r"^\| `([a-z._]+)` \| ([a-z]+)", file.read(), re.MULTILINE)


class Help(Daemon):
    def test_serve_lists_every_setting_that_has_an_option(self):
        text = self.parleyd("serve", "--help")
        self.assertGreater(len(settings()), 20)
        for key, kind in settings():
            option = "--" + key.replace(".", "-").replace("_", "-")
            is_shown = re.search(re.escape(option) + r"[\s\[]", text) is not None
            self.assertEqual(kind != "secret", is_shown, option)
        self.assertIn("--addresses-file", text)

    def test_every_command_has_help_and_the_program_names_them(self):
        text = self.parleyd("help")
        for name in ("serve", "migrate", "shard", "token", "check-config"):
            self.assertIn("parleyd " + name, text)
            self.assertEqual(self.parleyd("help", name), self.parleyd(name, "--help"))

    def test_the_embedded_store_has_no_buckets_to_move(self):
        for action in (["plan"], ["move", "--from", "0", "--to", "1", "--buckets", "0-9"]):
            self.assertIn("embedded store", self.parleyd("shard", *action, code=FAILED))
        for wrong in ([], ["mvoe"], ["move"], ["move", "--from", "0", "--to", "1"],
                      ["move", "--from", "0", "--to", "1", "--buckets", "9-0"],
                      ["move", "--from", "0", "--to", "1", "--buckets", "0-4096"],
                      ["move", "--from", "x", "--to", "1", "--buckets", "0-9"]):
            self.parleyd("shard", *wrong, code=USAGE)

    def test_a_command_that_is_none_is_refused_with_the_nearest(self):
        self.assertIn('did you mean "serve"', self.parleyd("serv", code=USAGE))
        self.assertIn("usage", self.parleyd(code=USAGE))

    def test_the_manual_is_what_the_program_prints(self):
        with open(os.path.join(ROOT, "server", "CONFIG.md"), encoding="utf-8") as file:
            self.assertEqual(self.parleyd("check-config", "--markdown"), file.read())


class Settings(Daemon):
    def test_an_unknown_key_is_refused_with_the_nearest_wherever_it_is(self):
        file = self.write("parley.ini", "[limits]\nconections = 5\n")
        self.assertRegex(self.parleyd("check-config", "--config", file, code=USAGE),
                         r"conections.*limits\.connections")
        self.assertRegex(self.parleyd("check-config", code=USAGE, PARLEY_LIMITS_CONECTIONS="5"),
                         r"PARLEY_LIMITS_CONECTIONS.*PARLEY_LIMITS_CONNECTIONS")
        self.assertRegex(self.parleyd("check-config", "--limits-conections", "5", code=USAGE),
                         r"--limits-conections.*--limits-connections")
        for command in ("serve", "migrate", "shard", "token"):
            self.parleyd(command, "--limits-conections", "5", code=USAGE)

    def test_a_bad_value_is_refused_with_its_key_and_range(self):
        for value in ("0", "-1", "many", "99999999999999999999"):
            text = self.parleyd("check-config", "--limits-connections=" + value, code=USAGE)
            self.assertIn("limits", text)
            self.assertIn("1000000", text)

    def test_options_win_over_the_environment_and_that_over_the_file(self):
        file = self.write("parley.ini", "[limits]\nconnections = 5\nstreams = 7\n"
                                        "[drain]\ngrace_ms = 3s\n")
        text = self.parleyd("check-config", "--config", file, "--limits-connections", "9",
                            PARLEY_LIMITS_CONNECTIONS="8", PARLEY_LIMITS_STREAMS="8")
        self.assertRegex(text, r"limits\.connections\W+9\b")
        self.assertRegex(text, r"limits\.streams\W+8\b")
        self.assertRegex(text, r"drain\.grace_ms\W+3(000|s)\b")

    def test_the_file_may_be_named_by_the_environment(self):
        file = self.write("parley.ini", "[limits]\nconnections = 5\n")
        self.assertRegex(self.parleyd("check-config", PARLEY_CONFIG=file),
                         r"limits\.connections\W+5\b")
        self.parleyd("check-config", code=USAGE, PARLEY_CONFIG=self.path("none.ini"))

    def test_the_sample_file_is_a_good_file(self):
        sample = self.write("sample.ini", self.parleyd("check-config", "--sample"))
        self.parleyd("check-config", "--config", sample)

    def test_a_secret_is_not_printed(self):
        key = "0123456789abcdef" * 4
        text = self.parleyd("check-config", PARLEY_AUTH_KEY=key)
        self.assertIn("auth.key", text)
        self.assertNotIn(key, text)
        self.assertNotIn(key[:8], self.parleyd("check-config", code=USAGE, PARLEY_AUTH_KEY=key[:8]))


class Addresses(Daemon):
    def test_what_other_machines_reach_needs_tls_or_insecure(self):
        for option in ("--listen", "--admin"):
            text = self.parleyd("serve", "--data", self.data, option, "0.0.0.0:0", code=USAGE)
            self.assertIn("--insecure", text)
            self.assertIn("--tls-cert", text)
            self.parleyd("check-config", option, "[::]:0", code=USAGE)
            self.parleyd("check-config", option, "0.0.0.0:0", "--insecure")
            for near in ("127.0.0.1:0", "127.8.8.8:0", "[::1]:0", "unix:/tmp/x"):
                self.parleyd("check-config", option, near)
        self.assertFalse(os.path.exists(self.data))

    def test_an_address_is_numeric_and_has_a_port(self):
        for address in ("localhost:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ""):
            self.parleyd("check-config", "--listen", address, code=USAGE)

    def test_an_address_in_use_is_refused_with_its_name(self):
        server = self.serve()
        for option in ("--listen", "--admin"):
            free = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0"}
            free[option] = server.address
            arguments = [word for pair in free.items() for word in pair]
            text = self.parleyd("serve", "--data", self.path("other"), *arguments, code=FAILED)
            self.assertIn(server.address, text)


class Data(Daemon):
    def test_a_second_server_on_the_same_folder_is_refused_with_the_first_ones_pid(self):
        server = self.serve()
        free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        text = self.parleyd("serve", "--data", self.data, *free, code=FAILED)
        self.assertIn(f"pid {server.process.pid}", text)
        self.assertIn(self.data, text)
        self.parleyd("migrate", "--data", self.data, code=FAILED)
        self.assertEqual(server.stop(), DONE)
        self.serve()

    def test_migrate_makes_a_store_and_again_changes_nothing(self):
        first = self.parleyd("migrate", "--data", self.data)
        self.assertTrue(os.listdir(self.data))
        again = self.parleyd("migrate", "--data", self.data)
        self.assertNotEqual(first, again)
        self.serve("--store-auto-migrate=false")

    def test_without_migrations_a_server_may_refuse_to_start(self):
        free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        text = self.parleyd("serve", "--data", self.data, "--store-auto-migrate=false", *free,
                            code=FAILED)
        self.assertIn("parleyd migrate", text)

    def test_a_folder_that_cannot_be_made_is_named(self):
        file = self.write("file", "")
        free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        self.assertIn(file, self.parleyd("serve", "--data", file + "/data", *free, code=FAILED))


class Token(Daemon):
    @staticmethod
    def claims(token):
        part = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def test_a_token_names_its_user_and_ends(self):
        token = self.parleyd("token", "--user", "alice", "--ttl", "90s", "--data", self.data).strip()
        claims = self.claims(token)
        self.assertEqual(claims["sub"], "alice")
        self.assertAlmostEqual(claims["exp"], time.time() + 90, delta=30)
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        self.assertEqual(header["alg"], "HS256")

    def test_the_key_is_for_its_owner_alone(self):
        self.parleyd("token", "--user", "alice", "--data", self.data)
        path = os.path.join(self.data, "token.key")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        os.chmod(path, 0o640)
        text = self.parleyd("token", "--user", "alice", "--data", self.data, code=FAILED)
        self.assertIn("token.key", text)
        self.assertIn("600", text)

    def test_who_and_how_long_must_be_said_well(self):
        self.assertIn("--user", self.parleyd("token", "--data", self.data, code=USAGE))
        for user in ("", "a b", "é", "a/b", "x" * 65):
            self.parleyd("token", "--user", user, "--data", self.data, code=USAGE)
        for ttl in ("0", "-1s", "soon", "100ms", "1000000h"):
            self.parleyd("token", "--user", "a", "--ttl", ttl, "--data", self.data, code=USAGE)


if __name__ == "__main__":
    unittest.main()
