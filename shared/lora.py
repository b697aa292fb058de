"""Low-rank adaptation from scratch. Born in 05_instruction_finetuning/05_lora."""
