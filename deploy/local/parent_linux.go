package local

import (
	"os/exec"
	"syscall"
)

// endWithParent ends the process with the one that starts it, when that is killed. (The kernel watches the thread that starts it;
// Go keeps that alive unless a goroutine locked to it ends.)
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
