"""What turns a model int8: modules, operators, what is fused, what is left out, and the rest in bfloat16."""
