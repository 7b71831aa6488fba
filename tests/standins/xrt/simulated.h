// Stand-in for XRT's C++ classes: host and device copies of every buffer, the kernel linked in.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE, XCL_BO_SYNC_BO_FROM_DEVICE };
enum ert_cmd_state { ERT_CMD_STATE_COMPLETED = 4, ERT_CMD_STATE_TIMEOUT = 9 };

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
struct run {
  ert_cmd_state state;
  ert_cmd_state wait(const std::chrono::milliseconds &) { return state; }
};
struct address {
  void *at;
  template <class T> operator T *() const { return (T *)at; }
};
struct kernel {
  kernel() {}
  kernel(const device &, const uuid &, const std::string &name) {
    if (name != HLSGEN_UNIT) throw std::runtime_error("no such unit: " + name);
  }
  int group_id(int argument) const { return argument; }
  static address given(bo &b) { return {b.at->device.data()}; }
  static int given(int frames) { return frames; }
  template <class... A> run operator()(A &&...arguments) {
    HLSGEN_KERNEL_FUNCTION(given(arguments)...);
    return {ERT_CMD_STATE_COMPLETED};
  }
};
}  // namespace xrt
