"""Emitted streaming C++ with a thread for each process and FIFOs as shallow as the pragmas say.

Plain C simulation has FIFOs without end; here a write waits for room, so a design that deadlocks
hangs, and is stopped. What each process reads and writes, in its order, is left in a file.
"""

from __future__ import annotations

import re
from pathlib import Path

HEADER = """\
#ifndef BOUNDED_HLS_STREAM_H
#define BOUNDED_HLS_STREAM_H
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
inline std::mutex &moves_door() { static std::mutex door; return door; }
// The moves of a thread, written whole when it ends.
struct moves {
  std::string text;
  int process = -1;
  ~moves() {
    if (process < 0) return;
    std::lock_guard<std::mutex> lock(moves_door());
    if (std::FILE *f = std::fopen("MOVES", "a")) {
      std::fprintf(f, "%d%s\\n", process, text.c_str());
      std::fclose(f);
    }
  }
};
inline moves &mine() { static thread_local moves m; return m; }
namespace hls {
template <class T> class stream {
  std::deque<T> held;
  std::size_t depth;
  std::mutex door;
  std::condition_variable changed;
  const char *name;
  template <class Ready>
  void wait(std::unique_lock<std::mutex> &lock, Ready ready, const char *what) {
    if (!changed.wait_for(lock, std::chrono::seconds(PATIENCE), ready)) {
      std::printf("deadlock: %s waits to %s\\n", name, what);
      std::fflush(stdout);
      std::_Exit(7);
    }
  }
 public:
  explicit stream(const char *n = "port", std::size_t d = ~std::size_t(0)) : depth(d), name(n) {}
  T read() {
    std::unique_lock<std::mutex> lock(door);
    wait(lock, [&] { return !held.empty(); }, "read");
    mine().text += std::string(" <") + name;
    T v = held.front();
    held.pop_front();
    changed.notify_all();
    return v;
  }
  void write(const T &v) {
    std::unique_lock<std::mutex> lock(door);
    wait(lock, [&] { return held.size() < depth; }, "write");
    mine().text += std::string(" >") + name;
    held.push_back(v);
    changed.notify_all();
  }
  bool empty() { return held.empty(); }
  std::size_t size() { return held.size(); }
};
}
#endif
"""

CHANNEL = re.compile(r'(hls::stream<.*> )(\w+)\("\w+"\);')
DEPTH = re.compile(r"#pragma HLS STREAM variable=(\w+) depth=(\d+)")
CALL = re.compile(r"^  (\w+(?:<.*>)?\(\w.*\);)$")


def depths(top: str) -> dict[str, int]:
    """What the pragmas of a top function say."""
    return {name: int(depth) for name, depth in DEPTH.findall(top)}


def threaded(top: str, depth: dict[str, int]) -> str:
    """The top function with a thread for every call between the pragmas and the checks."""
    head, rest = top.split("#pragma HLS DATAFLOW\n")
    calls, checks = rest.split("#ifndef __SYNTHESIS__\n")
    lines: list[str] = []
    count = 0
    for line in calls.splitlines():
        if found := CALL.match(line):
            lines.append(
                f"  std::thread thread{count}([&] {{ mine().process = {count}; {found[1]} }});"
            )
            count += 1
        else:
            lines.append(CHANNEL.sub(lambda m: f'{m[1]}{m[2]}("{m[2]}", {depth[m[2]]});', line))
    lines += [f"  thread{k}.join();" for k in range(count)]
    return head + "\n".join(lines) + "\n#ifndef __SYNTHESIS__\n" + checks


def rewrite(project: Path, depth: dict[str, int] | None = None, patience: int = 60) -> str:
    """Makes an emitted project a bounded one; the compiler flag that finds its header."""
    (top,) = (p for p in (project / "src").glob("*.cpp") if not p.stem.endswith("_kernel"))
    text = top.read_text()
    top.write_text(threaded(text, depths(text) | (depth or {})))
    integers = project / "src" / "integers.h"  # two processes may be one function of a template
    text = integers.read_text()
    assert "#define HLSGEN_LOCAL static" in text
    integers.write_text(text.replace("HLSGEN_LOCAL static", "HLSGEN_LOCAL static thread_local"))
    (project / "bounded").mkdir()
    header = HEADER.replace("PATIENCE", str(patience)).replace("MOVES", str(project / "moves"))
    (project / "bounded" / "hls_stream.h").write_text(header)
    return f"-I{project / 'bounded'}"
