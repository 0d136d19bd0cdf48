import sys, numpy as np, subprocess, time
sys.path.insert(0,"/work/main/workflow")
from rampflow.steps import saturation as S
rng=np.random.default_rng(int(sys.argv[1]) if len(sys.argv)>1 else 0)
cases=[]
i=0
for seed in range(6):
  for shape in ((1,1,9,11),(2,2,20,17),(2,3,33,40),(2,6,64,48),(1,10,100,70)):
    for n in (0,1,2,3):
      for nf in (0,1,4,5,8):
        ni,ng,ny,nx=shape
        rate=rng.lognormal(7,1.8,(ny,nx)); bias=rng.uniform(5000,9000,(ny,nx)).astype(np.float32)
        m=max(nf,1)
        T=rng.uniform(30000,62000,(ny,nx)).astype(np.float32)
        t=(np.arange(ng)*m+(m+1)/2)
        sci=bias+rate*t[:,None,None]+rng.normal(0,20,shape)
        sci+=(rng.random(shape)<.03).cumsum(1)*30000
        sci[rng.random(shape)<.01]=0
        sci=np.clip(np.round(sci),0,65535).astype(np.float32)
        gdq=np.zeros(shape,np.uint8); gdq[rng.random(shape)<.02]|=1; gdq[rng.random(shape)<.003]|=2; gdq[rng.random(shape)<.01]|=4
        Tdq=np.zeros((ny,nx),np.uint32); Tdq[rng.random((ny,nx))<.05]|=1<<21; Tdq[rng.random((ny,nx))<.05]|=1<<13
        T[rng.random((ny,nx))<.03]=np.nan
        pdq=rng.integers(0,2**32,(ny,nx),dtype=np.uint32)
        z=dict(sci=sci,gdq=gdq,pdq=pdq,T=T,Tdq=Tdq,n=n,nframes=nf)
        if seed%3: z["bias"]=bias
        if seed%2:
            zf=(bias+rate*1+rng.normal(0,20,(ni,ny,nx))); zf[rng.random(zf.shape)<.02]=65000; zf[rng.random(zf.shape)<.02]=0; z["zf"]=zf.round().astype(np.float32)
        cases.append(z)
import pickle; pickle.dump(cases,open("/tmp/refpix/sat.pkl","wb"))
code="""
import pickle,o_sat
c=pickle.load(open('sat.pkl','rb')); pickle.dump([o_sat.run(z)[0] for z in c],open('sat_o.pkl','wb'))
"""
subprocess.run(["/opt/oracle/o119/bin/python","-c",code],cwd="/tmp/refpix",check=True)
outs=pickle.load(open("/tmp/refpix/sat_o.pkl","rb"))
bad=0; tot=0; badz=0; badp=0; badc=0; bad16=0
for z,o in zip(cases,outs):
    T,Tdq,un=S.prepare_threshold(z["T"],z["Tdq"])
    badp+=((z["pdq"]|Tdq)!=o[1]).sum()
    n=z["n"]; nf=int(z["nframes"])
    kw=dict(n_pix_grow_sat=n,use_readpatt=nf>0,nframes=nf)
    for k in range(len(z["sci"])):
        g=z["gdq"][k].copy(); S.flag_saturation(z["sci"][k],g,T,z.get("bias"),un,**kw)
        bad+=(g!=o[0][k]).sum(); tot+=g.size
        g2=z["gdq"][k].copy(); S.flag_saturation(z["sci"][k].astype(np.uint16),g2,T,z.get("bias"),un,**kw); bad16+=(g2!=g).sum()
        # chunks
        h=S.halo(n); ny=g.shape[1]; c=np.empty_like(g); step=7
        for a in range(0,ny,step):
            b=min(a+step,ny); lo=max(0,a-h); hi=min(ny,b+h); s=np.s_[lo:hi]
            gg=z["gdq"][k][:,s].copy(); 
            S.flag_saturation(z["sci"][k][:,s].copy(),gg,T[s],None if "bias" not in z else z["bias"][s],un[s],**kw)
            c[:,a:b]=gg[:,a-lo:b-lo]
        badc+=(c!=g).sum()
        if "zf" in z:
            f=z["zf"][k].copy(); S.flag_zeroframe(f,T,n_pix_grow_sat=n); badz+=(f!=o[2][k]).sum()
print(len(cases),"cases",tot,"samples; gdq diff",bad,"pdq",badp,"zf",badz,"chunks",badc,"u16",bad16)
