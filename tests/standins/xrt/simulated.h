// Stand-in for XRT's C++ classes: host and device copies of every buffer, the kernel linked in.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE, XCL_BO_SYNC_BO_FROM_DEVICE };
enum ert_cmd_state { ERT_CMD_STATE_COMPLETED = 4, ERT_CMD_STATE_TIMEOUT = 9 };

// What a run does, in order, into the file FAKE_TRACE if there is one.
inline void trace(const char *what, const std::string &unit) {
  if (const char *path = std::getenv("FAKE_TRACE")) {
    std::FILE *file = std::fopen(path, "a");
    std::fprintf(file, "%s %s\n", what, unit.c_str());
    std::fclose(file);
  }
}

namespace xrt {
struct uuid {};
struct device {
  explicit device(unsigned) {}
  uuid load_xclbin(const std::string &path) {
    if (path != "some.xclbin") throw std::runtime_error("no such xclbin: " + path);
    return {};
  }
};
struct bo {
  struct Copies { std::vector<uint8_t> host, device; };
  std::shared_ptr<Copies> at;
  bo(const device &, size_t size, uint32_t group) : at(new Copies) {
    at->host.assign(size, 0x5a);
    at->device.assign(size, 0xc3);
    if (group > 30) throw std::runtime_error("no such bank");
  }
  void write(const void *data, size_t size, size_t seek) { std::memcpy(&at->host.at(seek), data, size); }
  void read(void *data, size_t size, size_t skip) { std::memcpy(data, &at->host.at(skip), size); }
  void sync(xclBOSyncDirection way) {
    if (way == XCL_BO_SYNC_BO_TO_DEVICE) at->device = at->host; else at->host = at->device;
  }
};
// Computes when it is waited for: what is written to its buffers meanwhile would be seen.
struct run {
  std::function<void()> call;
  std::string unit;
  ert_cmd_state wait(const std::chrono::milliseconds &) {
    trace("wait", unit);
    call();
    const char *failing = std::getenv("FAKE_FAIL");
    return failing && unit.find(failing) != std::string::npos ? ERT_CMD_STATE_TIMEOUT : ERT_CMD_STATE_COMPLETED;
  }
};
struct address {
  void *at;
  template <class T> operator T *() const { return (T *)at; }
};
struct kernel {
  std::string unit;
  kernel(const device &, const uuid &, const std::string &name) : unit(name) {
    if (std::string(HLSGEN_UNITS).find(name) == std::string::npos) throw std::runtime_error("no such unit: " + name);
  }
  int group_id(int argument) const { return argument; }
  static address given(bo b) { return {b.at->device.data()}; }
  static int given(int frames) { return frames; }
  template <class... A> run operator()(A &...arguments) {
    trace("start", unit);
    const char *wrong = std::getenv("FAKE_WRONG");
    const bool spoilt = wrong && unit.find(wrong) != std::string::npos;
    auto all = std::make_tuple(arguments...);
    auto last = std::get<sizeof...(A) - 2>(all);
    return {[=] {
              std::apply([](auto... each) { HLSGEN_KERNEL_FUNCTION(given(each)...); }, all);
              if (spoilt) last.at->device[0] ^= 1;
            },
            unit};
  }
};
}  // namespace xrt
