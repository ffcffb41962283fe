"""What a program is: types, values, instructions, blocks, functions, modules; reading and printing them."""
