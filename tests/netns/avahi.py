"""Real dbus-daemons and avahi-daemons on hosts that are namespaces, and what others say by multicast DNS."""
import pathlib
import signal

from lan import wait_for

SERVICE = "_meshd._udp"
BROWSE_S = 1

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <keep_umask/>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="*" eavesdrop="false"/>
  </policy>
</busconfig>
"""

AVAHI = """[server]
host-name={host}
use-ipv4=yes
use-ipv6=yes
enable-dbus={dbus}
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
"""


class Mdns:
    """A host's dbus-daemon and avahi-daemon, at their usual places."""

    def __init__(self, host, folder):
        self.host = host
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "bus.conf").write_text(BUS)
        # As Debian has it; `warn` keeps it when the bus dies.
        (self.folder / "avahi.conf").write_text(AVAHI.format(host=host.name, dbus="warn"))
        self.bus = self.avahi = None

    def start_bus(self):
        self.host.run("mkdir", "-p", "/run/dbus", "/run/avahi-daemon")
        self.host.run("rm", "-f", "/run/dbus/system_bus_socket")
        self.bus = self.host.start("dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nopidfile",
                                   log=self.folder / "bus.log")
        wait_for(lambda: self.host.run("test", "-S", "/run/dbus/system_bus_socket", check=False).returncode == 0, 5,
                 f"the bus of {self.host.name} is there")

    def start_avahi(self):
        self.avahi = self.host.start("avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "-f",
                                     self.folder / "avahi.conf", log=self.folder / "avahi.log")

    def start(self):
        self.start_bus()
        self.start_avahi()
        return self

    def stop_avahi(self, number=signal.SIGTERM):
        self.avahi.signal(number)
        self.avahi.wait()

    def stop_bus(self):
        self.bus.signal(signal.SIGKILL)
        self.bus.wait()

    def browse(self):
        """What is announced there now, fields of a service: avahi-browse's lines, taken apart. It cannot be asked to end
        when it has all there is: now and then it waits for ever."""
        text = self.host.run("timeout", BROWSE_S, "avahi-browse", "-rp", SERVICE, check=False).stdout
        return [line.split(";") for line in text.splitlines() if line.startswith("=")]
