// SPDX-License-Identifier: BSD-3-Clause

package main

// Tasks of our own, and tasks that take longer than they did.

import (
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// startTask runs a task to its end; the caller still has to look at it.
func startTask(entity moRef, op string,
	run func() (interface{}, error)) moRef {
	name := strings.TrimSuffix(op, "_Task")
	var failure *soapFault
	task := simulator.CreateTask(entity, name+"Task", func(*simulator.Task) (
		types.AnyType, types.BaseMethodFault) {
		result, err := run()
		if err != nil {
			failure = asFault(err)
			return nil, failure.fault
		}
		return result, nil
	})
	ref := task.Run()
	if failure != nil {
		withLock(task, func() {
			task.Info.Error.LocalizedMessage = failure.text
		})
	}
	what := "success"
	if failure != nil {
		what = faultName(failure.fault)
	}
	events.add("task", fields{"op": op, "result": what})
	return ref
}

type slowTask struct {
	info  types.TaskInfo // as it will be
	timer *time.Timer
}

var (
	slowTasks = map[string]*slowTask{}
	slowLock  sync.Mutex
)

// prolong has a finished task look as if it still ran for a time.
func prolong(ref moRef, wait time.Duration) {
	task, ok := simulator.Map.Get(ref).(*simulator.Task)
	if !ok {
		return
	}
	slowLock.Lock()
	defer slowLock.Unlock()
	withLock(task, func() {
		slow := &slowTask{info: task.Info}
		task.Info.State = types.TaskInfoStateRunning
		task.Info.Result, task.Info.Error = nil, nil
		task.Info.Progress = 50
		task.Info.Cancelable = true
		slow.timer = time.AfterFunc(wait, func() { finish(ref, nil) })
		slowTasks[ref.Value] = slow
	})
}

// finish ends a prolonged task, as it was or with a fault; false: there is none.
func finish(ref moRef, instead types.BaseMethodFault) bool {
	slowLock.Lock()
	defer slowLock.Unlock()
	slow := slowTasks[ref.Value]
	task, ok := simulator.Map.Get(ref).(*simulator.Task)
	if slow == nil || !ok {
		return false
	}
	delete(slowTasks, ref.Value)
	slow.timer.Stop()
	if instead != nil {
		slow.info.State = types.TaskInfoStateError
		slow.info.Result = nil
		slow.info.Error = &types.LocalizedMethodFault{Fault: instead,
			LocalizedMessage: "The task was canceled by a user."}
	}
	withLock(task, func() {
		task.Info.Result, task.Info.Error = slow.info.Result, slow.info.Error
		simulator.Map.Update(task, []types.PropertyChange{
			{Name: "info.completeTime", Val: time.Now()},
			{Name: "info.state", Val: slow.info.State},
		})
	})
	return true
}

func cancelTask(_ *front, call *soapCall) ([]interface{}, error) {
	if !finish(call.this, &types.RequestCanceled{}) {
		return nil, fault(&types.InvalidState{}, "the task is over")
	}
	return nil, nil
}
