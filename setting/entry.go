package setting

import (
	"fmt"
	"strings"
)

// Entry names an entry of a list for a message: webhooks: entry 2 (crm). The index counts from 0, the message from 1. The name is what the entry calls
// itself, or empty; it may be any text, and is shortened if it is long.
func Entry(key string, index int, name string) string {
	entry := fmt.Sprintf("%s: entry %d", key, index+1)
	if name != "" {
		entry += " (" + strings.Trim(fmt.Sprintf("%.60q", name), `"`) + ")"
	}
	return entry
}
