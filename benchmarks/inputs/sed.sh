#!/bin/sh
# The least that a hook can be: one sed, fed by the shell.
exec sed 's|<baseBoard></baseBoard>|<baseBoard><entry name="manufacturer">Radical Edward</entry><entry name="product">Bebop</entry><entry name="version">26</entry></baseBoard>|' <<DOMAIN
$4
DOMAIN
