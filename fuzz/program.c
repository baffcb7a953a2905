// The least program for other machines, whose C libraries may not be there: it
// is looked at, never run.

extern int answer(void);

int (*pointer)(void) = answer;

void _start(void)
{
    pointer();
}
