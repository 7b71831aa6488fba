"""SystemVerilog of an integer graph: fully parallel, pipelined, one result a clock."""
