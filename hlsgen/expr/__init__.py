"""What stands between two integer tensors: element-wise expressions with exact meaning."""
