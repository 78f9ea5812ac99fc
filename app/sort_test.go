package app

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortUntil: it sorts as slices.Sort does, whatever the length, and ends with its context.
func TestSortUntil(t *testing.T) {
	for _, length := range []int{0, 1, 1 << 16, 1<<16 + 1, 500_000} {
		numbers := make([]int, length)
		for i := range numbers {
			numbers[i] = rand.IntN(length) // some come twice
		}
		want := slices.Sorted(slices.Values(numbers))
		if err := sortUntil(t.Context(), numbers, cmp.Compare); err != nil || !slices.Equal(numbers, want) {
			t.Errorf("%d numbers: %v, and they are sorted: %v", length, err, slices.IsSorted(numbers))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	numbers, compared := rand.Perm(500_000), 0
	err := sortUntil(ctx, numbers, func(a, b int) int {
		if compared++; compared == 1000 {
			cancel()
		}
		return cmp.Compare(a, b)
	})
	if !errors.Is(err, context.Canceled) || compared > 2_000_000 {
		t.Errorf("after %d comparisons: %v", compared, err)
	}
}
