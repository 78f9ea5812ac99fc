package conn

import (
	"testing"
	"time"
)

// TestDeadlineMoves: a deadline is never earlier than the last one that was asked for, nor later by more than a sixteenth of the timeout, and is not
// moved as long as it is so.
func TestDeadlineMoves(t *testing.T) {
	const timeout = 16 * time.Second
	begin := time.Now()
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	for _, test := range []struct {
		name           string
		is, next, want time.Time
		timeout        time.Duration
		moves          bool
	}{
		{"the first", time.Time{}, at(16), at(17), timeout, true},
		{"as early as can be", at(17), at(16), at(17), timeout, false},
		{"the same", at(16), at(16), at(16), timeout, false},
		{"a little too early", at(17), at(17.1), at(18.1), timeout, true},
		{"much too early", at(17), at(60), at(61), timeout, true},
		{"too late", at(17), at(15.5), at(16.5), timeout, true},
		{"an exact one, too early", at(17), at(17.1), at(17.1), 0, true},
		{"an exact one, too late", at(17), at(16.9), at(16.9), 0, true},
		{"an exact one, the same", at(17), at(17), at(17), 0, false},
		{"a timeout that cannot be divided", at(17), at(17).Add(1), at(17).Add(1), 15, true},
		{"none any more", at(17), time.Time{}, time.Time{}, timeout, true},
		{"none still", time.Time{}, time.Time{}, time.Time{}, timeout, false},
		{"a shorter timeout than before", at(60), at(16), at(17), timeout, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := deadline{test.is}
			if moves := d.moves(test.next, test.timeout); moves != test.moves || !d.at.Equal(test.want) {
				t.Errorf("moves %v, to %v; want %v, to %v", moves, d.at.Sub(begin), test.moves, test.want.Sub(begin))
			}
		})
	}
}

// TestDeadlineStaysMostly: of many requests in quick succession few move it.
func TestDeadlineStaysMostly(t *testing.T) {
	const timeout = 16 * time.Second
	var d deadline
	moved, begin := 0, time.Now()
	for i := range 1000 {
		if d.moves(begin.Add(time.Duration(i)*10*time.Millisecond).Add(timeout), timeout) {
			moved++
		}
	}
	if moved != 10 { // ten seconds, one for each
		t.Errorf("moved %d times, want 10", moved)
	}
}
