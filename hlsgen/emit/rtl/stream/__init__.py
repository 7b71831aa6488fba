"""Streaming SystemVerilog: units with valid/ready handshakes, and the schedule that they keep."""
