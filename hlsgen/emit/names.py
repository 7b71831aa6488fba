"""ONNX names as identifiers that C, C++ and SystemVerilog accept."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 60

# Keywords of C, C++ and SystemVerilog, macros of the standard headers, and words of the templates.
_WORDS = """
accept_on alias alignas alignof always always_comb always_ff always_latch and and_eq asm assert
assign assume atomic_cancel atomic_commit atomic_noexcept auto automatic before begin bind bins
binsof bit bitand bitor bool break buf bufif0 bufif1 byte case casex casez catch cell chandle
char char16_t char32_t char8_t checker class clocking cmos co_await co_return co_yield compl
concept config const const_cast const_ref constant consteval constexpr constinit constraint
context continue cover covergroup coverpoint cross deassign decltype default defparam delete
design disable dist do double dynamic_cast edge else end endcase endchecker endclass endclocking
endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive
endprogram endproperty endsequence endspecify endtable endtask entity enum eof errno event
eventually expect explicit export extends extern false final first_match float for force foreach
forever fork forkjoin friend function generate genvar global goto hdlgen highz0 highz1 if iff
ifnone ignore_bins illegal_bins implements implies import in incdir include initial inline inout
input inside instance int int8_t int16_t int32_t int64_t integer interconnect interface
intersect join join_any join_none large let liblist library linux local localparam logic long
longint macromodule main matches medium modport module mutable namespace nand negedge nettype
new nexttime nmos noexcept nor noshowcancelled not not_eq notif0 notif1 null nullptr operator or
or_eq output package packed parameter pmos posedge primitive priority private program property
protected public pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand
randc randcase randsequence rcmos real realtime ref reflexpr reg register reinterpret_cast
reject_on release repeat requires restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
s_eventually s_nexttime s_until s_until_with scalared sequence short shortint shortreal
showcancelled signal signed size_t sizeof small soft solve specify specparam static
static_assert static_cast std stderr stdin stdout string strong strong0 strong1 struct super
supply0 supply1 switch sync_accept_on sync_reject_on synchronized table tagged task template
this thread_local throw throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0
tri1 triand trior trireg true try type type_option typedef typeid typename typeof uint8_t
uint16_t uint32_t uint64_t union unique unique0 unix unsigned until until_with untyped use using
uwire var vectored virtual void volatile wait wait_order wand wchar_t weak weak0 weak1 while
wildcard wire with within wor xnor xor xor_eq beat hls rom sum_tree clk rst clock reset ap x y
read_tensor write_tensor resize reorder duplicate from_port to_port discard slide read_frame
write_frame
"""
_RESERVED = frozenset(_WORDS.split())
_FORBIDDEN_START = re.compile(r"(ap_|hls_|hlsgen|inline$|int_ap)", re.IGNORECASE)


def identifier(name: str, fallback: str = "value", longest: int = _LONGEST) -> str:
    """The readable identifier nearest to a name: '/conv1/Conv_output_0' is conv1_Conv_output_0."""
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    text = text[:longest].rstrip("_") or fallback
    if text[0].isdigit():
        text = f"n{text}"
    if text.lower() in _RESERVED or _FORBIDDEN_START.match(text):
        text = f"v_{text}"
    return text


class Namer:
    """Hands out identifiers, no two alike even where upper and lower case count the same."""

    def __init__(self, taken: Iterable[str] = (), longest: int = _LONGEST) -> None:
        self._used = {t.lower() for t in taken}
        self._longest = longest

    def take(self, name: str) -> str:
        """A new identifier for a name."""
        base = candidate = identifier(name, longest=self._longest)
        count = 1
        while candidate.lower() in self._used:
            count += 1
            candidate = f"{base}_{count}"
        self._used.add(candidate.lower())
        return candidate


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """One identifier for each different name."""
    namer = Namer(taken)
    return {name: namer.take(name) for name in dict.fromkeys(names)}
