"""x."""
import numpy as np
from typing import NamedTuple
from rampflow.steps import _ramp_fit_ols as _ols
from rampflow import dq

class NoSlopes(Exception): pass

class Slopes(NamedTuple):
    slope: np.ndarray
    dq: np.ndarray
    err: np.ndarray
    var_poisson: np.ndarray
    var_rnoise: np.ndarray
class RampFit(NamedTuple):
    rate: Slopes
    rateints: Slopes

def _new(shape):
    return Slopes(*(np.empty(shape, np.uint32 if i==1 else np.float32) for i in range(5)))

def _wanted(ng,f,l):
    f = 0 if f is None or f<0 else f
    l = ng-1 if l is None or l>=ng else l
    if f>=l: return 0,ng-1
    return f,l

def planes(groupdq,*,suppress_one_group,ignore_persistence,firstgroup,lastgroup):
    ng=groupdq.shape[1]
    d=np.ones(ng,np.uint8); s=np.ones(ng,np.uint8)
    _ols.whole_planes(groupdq,np.array([0,ng-1,*_wanted(ng,firstgroup,lastgroup)]),suppress_one_group and ng>1,ignore_persistence,d,s)
    return d,s

def to_fit(d,s,*,trim):
    ng=len(d); first,last=0,ng-1
    if trim and ng>1:
        while first<ng and d[first]: first+=1
        if first<ng and d[last]: last-=1
        if last-first<1: raise NoSlopes("fewer than 2")
    if s[first]: raise NoSlopes("sat")
    return first,last

def _prep(sci,dark_rate,zeroframe,tgroup,tframe,nframes):
    ni,ng,ny,nx=sci.shape
    if dark_rate is None: dark_rate=np.zeros((ny,nx),np.float32)
    if zeroframe is None: zeroframe=np.zeros((0,ny,nx),np.float32)
    tg=float(np.float32(tgroup)); tf=float(np.float32(tframe))
    return dark_rate,zeroframe,np.array([tg,(nframes+1)*tf/2,tf])

def fit_ramps(sci, groupdq, pixeldq, gain, readnoise, dark_rate=None, zeroframe=None, *, tgroup, tframe, nframes, suppress_one_group, slope_weights, flag_saturated, ignore_persistence, first_kept, last_kept, firstgroup, lastgroup):
    ni,ng,ny,nx=sci.shape
    rate=_new((ny,nx)); ints=_new((ni,ny,nx))
    dark_rate,zeroframe,times=_prep(sci,dark_rate,zeroframe,tgroup,tframe,nframes)
    _ols.fit_rows(sci,groupdq,pixeldq,gain,readnoise,dark_rate,zeroframe,np.array([first_kept,last_kept,*_wanted(ng,firstgroup,lastgroup)]),suppress_one_group and ng>1,ignore_persistence,flag_saturated=="any",slope_weights=="read_noise",times,1/np.sqrt(2*nframes),*rate,*ints)
    return RampFit(rate,ints)

def size(groupdq,zeroframe,*,suppress_one_group,ignore_persistence,first_kept,last_kept,firstgroup,lastgroup):
    ni,ng,ny,nx=groupdq.shape
    if zeroframe is None: zeroframe=np.zeros((0,ny,nx),np.float32)
    return _ols.count_rows(groupdq,zeroframe,np.array([first_kept,last_kept,*_wanted(ng,firstgroup,lastgroup)]),suppress_one_group and ng>1,ignore_persistence)

def fit_optional(sci, groupdq, pixeldq, gain, readnoise, dark_rate=None, zeroframe=None, *, tgroup, tframe, nframes, groupgap,dropframes1,suppress_one_group, slope_weights, flag_saturated, ignore_persistence, first_kept, last_kept, firstgroup, lastgroup,nseg,ncr,slope):
    ni,ng,ny,nx=sci.shape
    o={n:np.zeros((ni,nseg,ny,nx),np.float32) for n in ("slope","sigslope","var_poisson","var_rnoise","yint","sigyint","pedestal","weights","crmag")}
    o["pedestal"]=np.zeros((ni,ny,nx),np.float32); o["crmag"]=np.zeros((ni,ncr,ny,nx),np.float32)
    dark_rate,zeroframe,times=_prep(sci,dark_rate,zeroframe,tgroup,tframe,nframes)
    _ols.optional_rows(sci,groupdq,gain,readnoise,dark_rate,zeroframe,slope,np.array([first_kept,last_kept,*_wanted(ng,firstgroup,lastgroup)]),suppress_one_group and ng>1,ignore_persistence,slope_weights=="read_noise",times,1/np.sqrt(2*nframes),((nframes+1)/2+dropframes1)/(nframes+groupgap),*o.values())
    return o
