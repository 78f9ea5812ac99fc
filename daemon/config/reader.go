package config

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// readableBy is the bit of a mode that lets a file's group read it.
const readableBy fs.FileMode = 0o040

// whoMayRead says of the file of a secret that this process cannot read who can: who may read it may use the commands.
func whoMayRead(file string) string {
	const root = "only root can read it"
	info, err := os.Stat(file)
	if err != nil {
		return root
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known || info.Mode()&readableBy == 0 || stat.Gid == 0 {
		return root + ", or its owner"
	}
	name := strconv.FormatUint(uint64(stat.Gid), 10)
	if group, err := user.LookupGroupId(name); err == nil {
		name = group.Name
	}
	return "only root and members of the group " + name + " can read it, and use what needs it"
}
