"""Ansible's way into a machine of the tests (machine.py), whose files are its own: by nsenter."""
import shlex
import subprocess

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: machine
short_description: runs commands in namespaces
description: Runs commands in namespaces of this machine, and copies files through their standard input and output.
options:
  enter:
    description: what stands before each command, to have it run there
    type: list
    elements: str
    required: true
    vars:
      - name: machine_enter
"""


class Connection(ConnectionBase):
    transport = "machine"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def close(self):
        self._connected = False

    def _run(self, command, **streams):
        return subprocess.run([*self.get_option("enter"), "/bin/sh", "-c", command], stderr=subprocess.PIPE, **streams)

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = self._run(cmd, stdout=subprocess.PIPE, input=in_data or b"")
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        with open(in_path, "rb") as file:
            done = self._run(f"cat >{shlex.quote(out_path)}", stdin=file)
        if done.returncode:
            raise AnsibleError(f"{out_path}: {done.stderr.decode()}")

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as file:
            done = self._run(f"cat {shlex.quote(in_path)}", stdout=file)
        if done.returncode:
            raise AnsibleError(f"{in_path}: {done.stderr.decode()}")
