// What program.c links to, so that it has dynamic symbols.

int answer(void)
{
    return 42;
}
