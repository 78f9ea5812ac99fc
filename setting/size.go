package setting

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written like 16KiB, 1MiB or 1GiB, or as a plain number of bytes.
type Size int64

// The units of a Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var units = []struct {
	name string
	size Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// String writes the size as a whole number of the largest unit that allows it.
func (s Size) String() string {
	for _, unit := range units {
		if unit.size > 1 && s != 0 && s%unit.size == 0 {
			return strconv.FormatInt(int64(s/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A negative size is refused.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSpace(string(text)), Size(1)
	for _, unit := range units {
		if digits, found := strings.CutSuffix(number, unit.name); found {
			number, factor = strings.TrimSpace(digits), unit.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || Size(n) > math.MaxInt64/factor {
		return fmt.Errorf("expected a size such as 16KiB, 1MiB or 1GiB, got %.60q", text)
	}
	*s = Size(n) * factor
	return nil
}
