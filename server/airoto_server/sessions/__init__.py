"""What a shot needs between calls, and how a recipe becomes mattes."""
